"""What an evaluation costs beside the bare product of its matrices and beside its peers, on a made task of XQuAD-R's size.

    python benchmarks/evaluation.py [--questions 1190] [--peer-questions 119] [--rounds 5]

Eleven languages, 13,090 queries, 13,014 candidates, embeddings of 768 dimensions, float32, on the CPU. The product is that
of NumPy, a thousand queries at a time into one buffer, with all threads of its BLAS: the fastest way to get every score
once without keeping them. Peers take minutes for that: they and the kit are compared on a tenth of the questions.

A peer gets embeddings and gives means of its measures, of the pool of all candidates and then of each of the 121 cells.
Those that want runs (mteb's RetrievalEvaluator, ranx, pytrec_eval) get the first 100 of each list, by torch, as mteb does.
Where two measure the same, their means have to be equal (to 1e-5: mteb rounds to five digits), else this stops.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import numpy as np
from turns import arguments, in_turns, keep, load, machine, rounded, rows_of

from kit.data.corpus import RetrievalTask
from kit.evaluate.evaluation import POOL, Evaluation
from kit.evaluate.evaluator import evaluate_embeddings
from kit.evaluate.scores import default_device
from kit.run.evaluating import AGREEMENT_GROUPS

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
N_QUESTIONS, N_PASSAGES, DIMENSIONS, CHUNK, N_FIRST = 1190, 13_014, 768, 1024, 100
ALLOWED = 1e-5  # mteb rounds


def made_task(
    n_questions: int = N_QUESTIONS, n_passages: int = N_PASSAGES, languages: tuple[str, ...] = LANGUAGES
) -> RetrievalTask:
    """Every question in every language; a passage answers one or two of them, and so do its versions."""
    n_versions = n_passages // len(languages)
    passages = [(language, number) for number in range(n_versions) for language in languages]
    passages += [(languages[0], n_versions + number) for number in range(n_passages - len(passages))]
    questions = [(language, number) for language in languages for number in range(n_questions)]
    return RetrievalTask.from_rows(
        "made",
        [{"query_id": f"{n}@{tag}", "group_id": str(n), "language": tag, "text": "question"} for tag, n in questions],
        [{"candidate_id": f"{tag}{n}", "language": tag, "text": "passage"} for tag, n in passages],
        [
            {"query_id": f"{n}@{tag}", "candidate_id": f"{other}{n % n_versions}"}
            for tag, n in questions
            for other in languages
        ],
        languages,
    )


def made_embeddings(task: RetrievalTask, dimensions: int = DIMENSIONS) -> tuple[np.ndarray, np.ndarray]:
    """Random directions of the candidates, and of queries that are near to what answers them, as those of a model are."""
    random = np.random.default_rng(0)
    candidates = random.standard_normal((len(task.candidates), dimensions), dtype=np.float32)
    queries = random.standard_normal((len(task.queries), dimensions), dtype=np.float32)
    query, candidate, _ = task.relevant_pairs.T
    np.add.at(queries, query, np.float32(0.1) * candidates[candidate])
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit(queries), unit(candidates)


def bare_product(queries: np.ndarray, candidates: np.ndarray) -> None:
    """Every score once, and nothing else."""
    buffer = np.empty((CHUNK, len(candidates)), np.float32)
    for low in range(0, len(queries), CHUNK):
        chunk = queries[low : low + CHUNK]
        np.matmul(chunk, candidates.T, out=buffer[: len(chunk)])


class List:
    """What a peer gets: embeddings, ids and judgements of some queries and some candidates."""

    def __init__(
        self, task: RetrievalTask, embeddings: tuple[np.ndarray, np.ndarray], query: np.ndarray, candidate: np.ndarray
    ):
        ids = task.queries.column("query_id").to_pylist(), task.candidates.column("candidate_id").to_pylist()
        self.query_ids, self.candidate_ids = [ids[0][row] for row in query], [ids[1][row] for row in candidate]
        self.queries, self.candidates = embeddings[0][query], embeddings[1][candidate]
        place_of_query, place_of = np.full(len(ids[0]), -1), np.full(len(ids[1]), -1)
        place_of_query[query], place_of[candidate] = np.arange(len(query)), np.arange(len(candidate))
        pairs = np.stack([place_of_query[task.relevant_pairs[:, 0]], place_of[task.relevant_pairs[:, 1]]], axis=1)
        self.pairs = pairs[(pairs >= 0).all(axis=1)]  # (n_relevant, 2)
        self.qrels: dict[str, dict[str, int]] = {name: {} for name in self.query_ids}
        for row, column in self.pairs.tolist():
            self.qrels[self.query_ids[row]][self.candidate_ids[column]] = 1

    def run(self) -> dict[str, dict[str, float]]:
        """The first candidates of each query, with their scores."""
        import torch

        scores = torch.from_numpy(self.queries) @ torch.from_numpy(self.candidates).T
        values, columns = scores.topk(min(N_FIRST, scores.shape[1]), dim=1)
        return {
            name: {self.candidate_ids[column]: value for column, value in zip(found, of_them)}
            for name, found, of_them in zip(self.query_ids, columns.tolist(), values.tolist())
        }


def by_sentence_transformers(given: List) -> dict[str, float]:
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import dot_score

    class Given:
        """Stands for a model: embeddings exist already."""

        encode_query = staticmethod(lambda texts, **options: _tensor(given.queries))
        encode_document = staticmethod(lambda texts, **options: _tensor(given.candidates))
        model_card_data = type("Card", (), {"set_evaluation_metrics": staticmethod(lambda *found, **more: None)})

    evaluator = InformationRetrievalEvaluator(
        dict.fromkeys(given.query_ids, "question"),
        dict.fromkeys(given.candidate_ids, "passage"),
        {name: set(found) for name, found in given.qrels.items()},
        mrr_at_k=[10],
        ndcg_at_k=[10],
        accuracy_at_k=[10],
        precision_recall_at_k=[1, 10],
        map_at_k=[N_FIRST],
        score_functions={"dot": dot_score},
        write_csv=False,
    )
    found = evaluator(Given())
    return {"recall_at_1": found["dot_recall@1"], "recall_at_10": found["dot_recall@10"], "ndcg_at_10": found["dot_ndcg@10"]}


def _tensor(rows: np.ndarray) -> object:
    import torch

    return torch.from_numpy(rows)


def by_mteb(given: List) -> dict[str, float]:
    from mteb._evaluators.retrieval_evaluator import RetrievalEvaluator
    from mteb.timing import TimingStack

    class Search:
        """Stands for a model that is searched."""

        index = staticmethod(lambda **what: None)
        search = staticmethod(lambda **what: given.run())

    kinds = dict(task_metadata=None, hf_split="test", hf_subset="default", top_k=N_FIRST, timer=TimingStack())
    evaluator = RetrievalEvaluator(None, None, **kinds)
    found = evaluator.evaluate(given.qrels, evaluator(Search(), {}), [1, 10])
    return {
        "recall_at_1": found.recall["Recall@1"],
        "recall_at_10": found.recall["Recall@10"],
        "ndcg_at_10": found.ndcg["NDCG@10"],
    }


def by_ranx(given: List) -> dict[str, float]:
    from ranx import Qrels, Run, evaluate

    found = evaluate(Qrels(given.qrels), Run(given.run()), ["recall@1", "recall@10", "ndcg@10"], make_comparable=True)
    return {name: float(found[name.replace("_at_", "@")]) for name in ("recall_at_1", "recall_at_10", "ndcg_at_10")}


def by_pytrec_eval(given: List) -> dict[str, float]:
    import pytrec_eval

    found = pytrec_eval.RelevanceEvaluator(given.qrels, {"recall.1,10", "ndcg_cut.10"}).evaluate(given.run())
    names = {"recall_at_1": "recall_1", "recall_at_10": "recall_10", "ndcg_at_10": "ndcg_cut_10"}
    return {name: float(np.mean([one[theirs] for one in found.values()])) for name, theirs in names.items()}


def as_lareqa(given: List) -> dict[str, float]:
    """Average precision of each list by scikit-learn, over all candidates."""
    from sklearn.metrics import average_precision_score

    is_relevant = np.zeros((len(given.queries), len(given.candidates)), bool)
    is_relevant[given.pairs[:, 0], given.pairs[:, 1]] = True
    scores = given.queries @ given.candidates.T
    return {"average_precision": float(np.mean([average_precision_score(*one) for one in zip(is_relevant, scores)]))}


PEERS: dict[str, Callable[[List], dict[str, float]]] = {
    "InformationRetrievalEvaluator": by_sentence_transformers,
    "mteb": by_mteb,
    "ranx": by_ranx,
    "pytrec_eval": by_pytrec_eval,
    "LAReQA's way (scikit-learn)": as_lareqa,
}


def lists_of(task: RetrievalTask, embeddings: tuple[np.ndarray, np.ndarray]) -> dict[tuple[str, str], List]:
    """The pool of all queries, and the cells."""
    every = np.arange(len(task.candidates))
    lists = {("all", POOL): List(task, embeddings, np.arange(len(task.queries)), every)}
    for row, asked in enumerate(task.languages):
        for column, answered in enumerate(task.languages):
            rows = np.flatnonzero(task.query_language == row), np.flatnonzero(task.candidate_language == column)
            lists[asked, answered] = List(task, embeddings, *rows)
    return lists


def largest_difference(found: dict[tuple[str, str], dict[str, float]], evaluation: Evaluation) -> float:
    """Between the means of a peer, of the pool and of each cell, and those of the kit."""
    table = evaluation.per_query
    asked, answered = (np.array(table.column(f"{side}_language").to_pylist()) for side in ("query", "candidate"))
    differences = [
        abs(
            value
            - table.column(measure).to_numpy()[(answered == cell[1]) & ((asked == cell[0]) | (cell[0] == "all"))].mean()
        )
        for cell, means in found.items()
        for measure, value in means.items()
    ]
    return max(differences)


def beside_peers(task: RetrievalTask, dimensions: int, n_rounds: int) -> list[dict[str, object]]:
    """Seconds for the pool and all cells, and how far the means are from the kit's."""
    embeddings = made_embeddings(task, dimensions)
    lists = lists_of(task, embeddings)
    found: dict[str, dict] = {name: {} for name in PEERS}

    def of_peer(name: str) -> None:
        found[name] = {cell: PEERS[name](given) for cell, given in lists.items()}

    kit = "kit, whole panel and cells"
    evaluation = lambda: evaluate_embeddings(*embeddings, task, "random", n_agreement_groups=AGREEMENT_GROUPS)
    calls = {kit: evaluation} | {name: partial(of_peer, name) for name in PEERS}
    rows, ours = rows_of(in_turns(calls, n_rounds), kit), evaluation()
    for row in rows:
        is_peer = row[""] in PEERS
        difference = largest_difference(found[str(row[""])], ours) if is_peer else 0.0
        if difference > ALLOWED:
            sys.exit(f"{row['']} differs from the kit by {difference:.2g} in a mean")
        measured = next(iter(found[str(row[""])].values())) if is_peer else {}
        row |= {"largest difference": f"{difference:.1g}" if is_peer else "", "equal measures": ", ".join(measured)}
    return rows


def main() -> None:
    sizes = arguments(
        __doc__ or "", questions=N_QUESTIONS, passages=N_PASSAGES, dimensions=DIMENSIONS, rounds=5, peer_questions=119
    )
    if default_device() != "cpu":  # asked first, too, since it imports torch
        sys.exit("there is an accelerator: hide it (CUDA_VISIBLE_DEVICES=) to compare like with like")
    task = made_task(sizes.questions, sizes.passages)
    embeddings = made_embeddings(task, sizes.dimensions)

    def evaluation(n_groups: int | None) -> Callable[[], object]:
        return lambda: evaluate_embeddings(*embeddings, task, "random", n_agreement_groups=n_groups)

    bare = "bare product"
    calls = {
        bare: lambda: bare_product(*embeddings),
        "kit, whole panel and 121 cells": evaluation(AGREEMENT_GROUPS),
        "… without list agreement": evaluation(0),
        "… with that of all questions": evaluation(None),
    }
    times = in_turns(calls, sizes.rounds)
    small = made_task(sizes.peer_questions, sizes.passages)
    facts = {
        "machine": machine("torch", "sentence-transformers", "mteb", "ranx", "pytrec-eval-terrier", "scikit-learn"),
        "load": load(),
        "size": f"{len(task.queries):,} queries ({len(small.queries):,} beside peers), {len(task.candidates):,} candidates, "
        f"{sizes.dimensions} dimensions",
        "rounds": sizes.rounds,
        "ratio by round": ", ".join(
            str(rounded(kit[0] / product[0])) for kit, product in zip(times[list(calls)[1]], times[bare])
        ),
    }
    tables = {
        "Beside the bare product": rows_of(times, bare),
        "Beside peers": beside_peers(small, sizes.dimensions, max(1, sizes.rounds // 2)),
    }
    keep(sizes.out, "evaluation", "An evaluation with 121 cells and the panel", tables, facts)


if __name__ == "__main__":
    main()
