"""Mining bitext beside LASER's script and the recipe of sentence-transformers, on made embeddings.

    python benchmarks/mining.py [--sentences 4000] [--dimensions 384] [--rounds 4]

As many sentences on each side, of which half have a translation. LASER's: the flat index of faiss both ways, k 4, ratio
margin, the best of each side, taken from the best down, each sentence once (``mine_bitexts.py``, mode ``mine``, retrieval
``max``). The recipe of sentence-transformers: the same margin on what ``util.semantic_search`` finds. All three have to find
the same pairs, but for one in a thousand, since scores differ by rounding: else this stops.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from turns import arguments, in_turns, keep, load, machine, rows_of

from kit.data.bitext import BitextTask
from kit.evaluate.mining import mine

K = 4
Nearest = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def made(n_sentences: int, dimensions: int) -> tuple[BitextTask, np.ndarray, np.ndarray]:
    """Vectors of source sentences, and of targets, half of which are near to one of them."""
    random = np.random.default_rng(0)
    source = random.standard_normal((n_sentences, dimensions), dtype=np.float32)
    noise = random.standard_normal((n_sentences, dimensions), dtype=np.float32)
    shared = np.arange(n_sentences)[:, None] < n_sentences // 2
    target = np.where(shared, source + np.float32(0.7) * noise, noise)
    # All share a direction, as sentences of a model do: cosines are above 0, so that a ratio of them means something.
    one = random.standard_normal(dimensions, dtype=np.float32)
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    rows = [[{"sentence_id": f"{side}{row}", "text": f"{side} {row}"} for row in range(n_sentences)] for side in "xy"]
    gold = [{"source_id": f"x{row}", "target_id": f"y{row}"} for row in range(n_sentences // 2)]
    return BitextTask.from_rows("made", "de", "en", *rows, gold), unit(source + one), unit(target + one)


def by_faiss(queries: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import faiss

    index = faiss.IndexFlatIP(candidates.shape[1])
    index.add(candidates)
    return index.search(queries, K)


def by_semantic_search(queries: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import torch
    from sentence_transformers.util import dot_score, semantic_search

    found = semantic_search(torch.from_numpy(queries), torch.from_numpy(candidates), top_k=K, score_function=dot_score)
    return tuple(np.array([[hit[name] for hit in hits] for hits in found]) for name in ("score", "corpus_id"))


def margin_mining(source: np.ndarray, target: np.ndarray, nearest: Nearest) -> set[tuple[int, int]]:
    """What both scripts do with the nearest neighbours, in their own words."""
    x2y_sim, x2y_ind = nearest(source, target)
    y2x_sim, y2x_ind = nearest(target, source)
    x2y_mean, y2x_mean = x2y_sim.mean(axis=1), y2x_sim.mean(axis=1)
    fwd_scores = x2y_sim / ((x2y_mean[:, None] + y2x_mean[x2y_ind]) / 2)
    bwd_scores = y2x_sim / ((y2x_mean[:, None] + x2y_mean[y2x_ind]) / 2)
    fwd_best = x2y_ind[np.arange(len(source)), fwd_scores.argmax(axis=1)]
    bwd_best = y2x_ind[np.arange(len(target)), bwd_scores.argmax(axis=1)]
    rows = [np.arange(len(source)), fwd_best], [bwd_best, np.arange(len(target))]
    indices = np.concatenate([np.stack(pair, axis=1) for pair in rows])
    scores = np.concatenate([fwd_scores.max(axis=1), bwd_scores.max(axis=1)])
    seen_source, seen_target, pairs = set(), set(), set()
    for number in np.argsort(-scores, kind="stable").tolist():
        one, other = indices[number].tolist()
        if one not in seen_source and other not in seen_target:
            seen_source.add(one)
            seen_target.add(other)
            pairs.add((one, other))
    return pairs


def main() -> None:
    sizes = arguments(__doc__ or "", sentences=4000, dimensions=384, rounds=4)
    task, source, target = made(sizes.sentences, sizes.dimensions)
    found: dict[str, set[tuple[int, int]]] = {}

    def kit() -> None:
        mined = mine(task, source, target, k=K)
        found["kit"] = set(zip(mined.source.tolist(), mined.target.tolist()))

    def peer(name: str, nearest: Nearest) -> Callable[[], None]:
        return lambda: found.update({name: margin_mining(source, target, nearest)})

    calls = {
        "kit": kit,
        "LASER's script (faiss)": peer("LASER's script (faiss)", by_faiss),
        "sentence-transformers' recipe (semantic_search)": peer(
            "sentence-transformers' recipe (semantic_search)", by_semantic_search
        ),
    }
    rows = rows_of(in_turns(calls, sizes.rounds), "kit")
    for row in rows:
        others = len(found[str(row[""])] ^ found["kit"])
        if others > sizes.sentences // 1000:  # scores that differ by rounding change places
            sys.exit(f"{row['']} finds {others} other pairs")
        row |= {"pairs": len(found[str(row[""])]), "other pairs": others}
    facts = {
        "machine": machine("faiss-cpu", "torch", "sentence-transformers"),
        "load": load(),
        "size": f"{sizes.sentences:,} sentences on each side, {sizes.dimensions} dimensions",
        "rounds": sizes.rounds,
    }
    keep(sizes.out, "mining", "Mining bitext", {"Seconds": rows}, facts)


if __name__ == "__main__":
    main()
