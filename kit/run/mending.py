"""Mend the language bias of a model: try remedies on one's own parallel questions, keep the simplest that works.

The questions are split by passage. Remedies are fitted on one part and judged on the other, on which nothing was fitted or
chosen, in the three settings and the bias panel. What is recommended is written beside the report.
"""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.compare.results import Results
from kit.compare.stats import holm
from kit.core import paths
from kit.core.printing import near, say, visible
from kit.core.tables import json_lines
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.embeddings.encoding import TextEncoder
from kit.data.embeddings.given import GivenEmbeddings, is_given
from kit.data.embeddings.stored import StoredEncoder
from kit.data.inputs import prompts_of
from kit.data.registry import checksums, load_corpus
from kit.evaluate.debias.remedies import LanguageCentring, LanguageRemoval
from kit.evaluate.debias.remedy import Remedy
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluation import Evaluation
from kit.evaluate.evaluator import evaluate_embeddings
from kit.run.evaluating import language_tags
from kit.show import report
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.encoders.finding import find_model
from kit.train.encoders.loading import load_prompted, weights_of
from kit.train.samplers import Sampling

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Log = Callable[[str], None]

NONE = "as it is"

METHODS = ("centring", "removal", "head")
"""Remedies, the simplest first: a mean to subtract for each language, a direction to take out for each language, a matrix
that is trained and needs to know no language."""

HELD_OUT = 0.4
_SEED = 2**16  # of what is held out: another than that by which a source may have been split before
"""Share of the passages that remedies are judged on."""

HEAD = TrainingConfig(updates=400, batch_size=100, learning_rate=1e-3, temperature=0.05, evaluations=1)
"""Recipe of the head; batches are smaller where there are fewer passages."""

SAMPLING = "Hybrid"
"""How its batches are drawn."""

_MEANS = "languages.npz"
_ALPHA = 0.05


@dataclass(frozen=True)
class Mended:
    """What came of it.

    folder: of the report.  results: the model as it is and with each remedy, on the questions held out.
    recommended: the remedy, or ``NONE``.  reason: why, in a sentence.  model: where it was written, if there is one.
    """

    folder: Path
    results: Results
    recommended: str
    reason: str
    model: Path | None


def mend(
    name: str,
    parallel: str,
    methods: Sequence[str] = METHODS,
    run: str = "mend",
    trust_remote_code: bool = False,
    query_prompt: str = "",
    passage_prompt: str = "",
    log: Log = say,
) -> Mended:
    """Try remedies on a model and write the report, and the mended model, into ``reports/<run>``.

    Recommended is the simplest remedy (in the order of ``METHODS``) that raises the multilingual mAP for certain, lowers the
    monolingual one by nothing that is certain, and than which none that passes both is better for certain: paired
    randomisation tests over questions, adjusted by Holm. Where none does, the model is good as it is.

    Args:
        name: of the model, a folder, or ``embeddings:<folder>``.
        parallel: a source of parallel questions with their passages (``kit.data.registry``), or a JSONL file of such rows or
            of parallel sentences, whose first halves then ask for the whole.
        methods: which remedies to try.
        run: name of the report's folder.
        trust_remote_code: whether code that the model brings may run.
        query_prompt, passage_prompt: what a model that brings no prompts gets.
        log: takes a line a step.

    Raises:
        ValueError: a model or data that cannot be loaded, an unknown method, fewer than two languages, too few questions.
    """
    start = time.perf_counter()
    for method in methods:
        if method not in METHODS:
            raise ValueError(f"method {method!r:.80}{near(method, METHODS)}: choose among {', '.join(METHODS)}")
    folder = paths.run_folder(run)
    find_model(name)
    spec = source_of(parallel)
    learned, judged = _parts(load_corpus(spec), spec)
    task = RetrievalTask.from_corpus(judged, f"{judged.name}")
    log(f"{len(learned.group_ids):,} questions to learn from, {len(judged.group_ids):,} to judge by, {task.name}")
    encoder = _open_model(name, trust_remote_code, (query_prompt, passage_prompt), log)
    fitted = _Fitted(encoder, name, learned, trust_remote_code)
    embeddings = encode_task(encoder, task, log)
    evaluations = {NONE: [_judged(embeddings, task, NONE)]}
    for method in [one for one in METHODS if one in methods]:
        log(f"trying {method}")
        evaluations[method] = [_judged(fitted.changed(method, embeddings, task, log), task, method)]
    results = Results(evaluations)
    recommended, reason = recommend(results)
    prompts = {"--query-prompt": query_prompt, "--passage-prompt": passage_prompt}
    command = _command(name, parallel, run, methods, prompts, trust_remote_code)
    facts = {method: {"remedy": _WHAT[method]} for method in evaluations}
    facts[recommended]["recommended"] = reason
    asked = {"model": name, "parallel": spec}
    took = time.perf_counter() - start
    about = report.about("audit", run, results, task, command, asked, checksums([spec]), duration_s=took)
    report.write_run(about | {"models": facts}, results)
    model = fitted.write(recommended, folder / "model") if recommended != NONE else None
    return Mended(folder, results, recommended, reason, model)


def _p(value: float) -> str:
    """A p-value in words of a sentence."""
    return "p < 0.001" if value < 0.001 else f"p {value:.3f}"


def _command(
    name: str, parallel: str, run: str, methods: Sequence[str], prompts: Mapping[str, str], trust_remote_code: bool
) -> str:
    """What is typed to do the same again; ``prompts`` by option."""
    command = ["python", "-m", "kit", "mend", name, "--parallel", parallel, "--run", run]
    command += [part for method in methods if tuple(methods) != METHODS for part in ("--method", method)]
    command += [part for option in prompts.items() if option[1] for part in option]
    return shlex.join(command + ["--trust-remote-code"] * trust_remote_code)


_WHAT = {
    NONE: "none",
    "centring": "the mean of each language and side is subtracted",
    "removal": "the main direction of each language and side is taken out",
    "head": "a matrix, trained on pairs across and within languages; no language needs to be known",
}


def source_of(parallel: str) -> str:
    """The source that a file is; what is no file is a source already."""
    path = Path(parallel).expanduser()
    if not path.is_file():
        return parallel
    first = next(iter(json_lines(path)), {}) if path.name.endswith((".jsonl", ".jsonl.gz")) else {}
    return f"sentences:{path}?query=half" if "texts" in first else f"jsonl:{path}"


def _parts(corpus: ParallelCorpus, spec: str) -> tuple[ParallelCorpus, ParallelCorpus]:
    if len(corpus.languages) < 2:
        raise ValueError(f"{spec} is in {', '.join(corpus.languages)} only: give questions in two languages or more")
    n_clusters = len(set(corpus.cluster_of.tolist()))
    if n_clusters < 20:
        raise ValueError(f"{spec} has {n_clusters} passages: give at least 20, some to learn from and some to judge by")
    learned, judged = corpus.split(HELD_OUT, _SEED)
    absent = sorted(set(judged.languages) - set(learned.languages))
    if absent:
        raise ValueError(f"{spec}: {', '.join(absent)} has too few questions to learn from: leave it out, or give more")
    return learned, judged


def _open_model(name: str, trust_remote_code: bool, prompts: tuple[str, str], log: Log) -> TextEncoder:
    """A model by name or folder, with the store of its embeddings, or ``embeddings:<folder>``."""
    if is_given(name):
        return GivenEmbeddings(name)
    return StoredEncoder(load_prompted(name, trust_remote_code, prompts, log), weights_of(name), name, log)


def head_of(name: str) -> str:
    """The encoder that is a head on a model; embeddings have no other."""
    return name if is_given(name) else f"head:{name}"


def _judged(embeddings: tuple[np.ndarray, np.ndarray], task: RetrievalTask, name: str) -> Evaluation:
    return evaluate_embeddings(*embeddings, task, name)


class _Fitted:
    """Remedies, fitted on the questions to learn from."""

    def __init__(self, encoder: TextEncoder, name: str, learned: ParallelCorpus, trust_remote_code: bool) -> None:
        self.encoder, self.name, self.learned, self.trust = encoder, name, learned, trust_remote_code
        self._remedies: dict[str, Remedy] = {}
        self._head: SentenceTransformer | None = None

    def changed(
        self, method: str, embeddings: tuple[np.ndarray, np.ndarray], task: RetrievalTask, log: Log
    ) -> tuple[np.ndarray, np.ndarray]:
        """The embeddings of a task with a remedy."""
        if method == "head":
            self._head = self._trained(log)
            return encode_task(self._head, task)
        learned = RetrievalTask.from_corpus(self.learned, self.learned.name)
        kind = {"centring": LanguageCentring, "removal": LanguageRemoval}[method]
        self._remedies[method] = kind.fit(*encode_task(self.encoder, learned, log), *language_tags(learned))
        return self._remedies[method].apply(*embeddings, *language_tags(task))

    def _trained(self, log: Log) -> SentenceTransformer:
        from kit.train.encoders.making import make_encoder
        from kit.train.trainer import fine_tune

        query, passage, _ = prompts_of(self.encoder)
        head = EncoderConfig(
            name=head_of(self.name), query_prompt=query, passage_prompt=passage, trust_remote_code=self.trust
        )
        model = make_encoder(head, (), seed=0)
        n_clusters = min(
            len(set(self.learned.cluster_of[self.learned.row_of[:, code] >= 0].tolist()))
            for code in range(len(self.learned.languages))
        )
        recipe = HEAD.changed(batch_size=max(2, min(HEAD.batch_size, n_clusters)))
        with tempfile.TemporaryDirectory() as scratch:
            fine_tune(model, [self.learned], Sampling.parse(SAMPLING), recipe, scratch, log=lambda line: log(f"  {line}"))
        return model

    def write(self, method: str, folder: Path) -> Path:
        """Write what a remedy needs, or a model that has it."""
        import shutil

        from kit.core.files import seal, whole_folder
        from kit.train.encoders.saving import save_encoder

        shutil.rmtree(folder, ignore_errors=True)
        with whole_folder(folder) as partial:
            if method == "head":
                assert self._head is not None
                save_encoder(self._head, partial)
            else:
                _write_by_language(method, self._remedies[method], partial)
            seal(partial)
        return folder


def recommend(results: Results) -> tuple[str, str]:
    """The remedy to take, and why, by the rule of ``mend``."""
    tried = [method for method in results.models if method != NONE]
    if not tried:
        return NONE, "no remedy was tried"
    gains = {method: _difference(results, method, NONE, "multilingual") for method in tried}
    costs = {method: _difference(results, method, NONE, "monolingual") for method in tried}
    gain_p = dict(zip(tried, holm(np.array([gains[method][1] for method in tried]))))
    cost_p = dict(zip(tried, holm(np.array([costs[method][1] for method in tried]))))
    good = [
        method
        for method in tried
        if gains[method][0] > 0 and gain_p[method] < _ALPHA and not (costs[method][0] < 0 and cost_p[method] < _ALPHA)
    ]
    if not good:
        best = max(tried, key=lambda method: gains[method][0])
        said = f"no remedy raises the multilingual mAP for certain without a certain loss within a language (best: {best}, "
        return NONE, f"{said}{gains[best][0]:+.3f}, p {gain_p[best]:.3f}; within a language {costs[best][0]:+.3f})"
    for number, method in enumerate(good):
        later = [_difference(results, other, method, "multilingual") for other in good[number + 1 :]]
        if not any(difference > 0 and p < _ALPHA for difference, p in zip(*_adjusted(later))):
            gain, cost = gains[method][0], costs[method][0]
            simplest = "the simplest of those that gain" if len(good) > 1 else "the only one that gains for certain"
            return method, f"{simplest}: multilingual mAP {gain:+.3f} ({_p(gain_p[method])}), monolingual {cost:+.3f}"
    raise AssertionError("the last one has none after it")


def _difference(results: Results, first: str, second: str, setting: str) -> tuple[float, float]:
    compared = results.compare(first, second, setting, "average_precision").overall
    return compared.difference, compared.p_value


def _adjusted(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    differences, p_values = [pair[0] for pair in pairs], np.array([pair[1] for pair in pairs])
    return differences, holm(p_values).tolist() if pairs else []


def _write_by_language(method: str, remedy: Any, folder: Path) -> None:
    """Arrays by side and language, and how to use them."""
    kept: Mapping[str, Mapping[str, np.ndarray]] = (
        {"query": remedy.query_means, "passage": remedy.candidate_means}
        if method == "centring"
        else {"query": remedy.query_components, "passage": remedy.candidate_components}
    )
    arrays: dict[str, Any] = {
        f"{side} {tag}": array.astype(np.float32) for side, by_tag in kept.items() for tag, array in by_tag.items()
    }
    np.savez(folder / _MEANS, **arrays)
    languages = sorted({name.partition(" ")[2] for name in arrays})
    text = _HOW.format(method=method, file=_MEANS, change=_CHANGE[method], languages=visible(json.dumps(languages)))
    (folder / "README.md").write_text(text, encoding="utf-8")


_CHANGE = {"centring": "row - array", "removal": "row - (row @ array.T) @ array"}

_HOW = """# {method}

For texts in {languages}. `{file}` holds an array for each side and language, such as "query de"; rows are embeddings of
length 1. Change each row, then scale it to length 1:

```python
import numpy as np

arrays = np.load("{file}")
array = arrays["query de"]
row = {change}
row = row / np.linalg.norm(row)
```
"""
