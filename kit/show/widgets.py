"""Explorers for JupyterLab: a few controls around a pure function, which a notebook also calls by itself.

Every explorer is a box of ipywidgets that the keyboard reaches (Tab, arrows, Enter) and an output that is drawn again when a
control changes. Nothing is trained or encoded in bulk when a control moves: that was done before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec

import ipywidgets
import numpy as np
import plotly.graph_objects as go

from kit.compare.results import Results
from kit.core.languages import language_name
from kit.data.corpus import ParallelCorpus
from kit.evaluate.bias.measures import PANEL
from kit.evaluate.evaluation import MEASURES
from kit.evaluate.index import DEPTH, Hit, Index
from kit.show import plots
from kit.show.asking import Names, what_was_found
from kit.show.lists import ResultLists
from kit.show.projection import PROJECTIONS, project
from kit.show.tables import Html, Plotly, mime_bundle
from kit.train.samplers import SAMPLINGS, PairBatchSampler, Sampling

ALL = "all languages"
SUGGESTED = 1000
"""Questions of a language that the text field of the retrieval explorer suggests; any other can be typed."""
ELSEWHERE = "[explorer: its controls need a running JupyterLab; what follows shows one setting of it]"
"""What stands in place of an explorer where nothing can be moved."""
_COUNTED = 1000  # batches, at least, whose pairs of languages are counted
_PLACES = 20
"""Candidates of which the retrieval explorer says where they stand: versions of an answer, or what holds a name."""
_STYLE = {"description_width": "8em"}
_WIDE = ipywidgets.Layout(width="26em")
_HEAD = (
    "<style onload=\"this.closest('.kit-explorer').addEventListener("
    "'focusin', (event) => event.target.setAttribute('data-lm-suppress-shortcuts', 'true'))\">"
    ".kit-text input {unicode-bidi: plaintext; text-align: start}</style>"
)
"""What only HTML can say: the shortcuts of JupyterLab leave the keys to the control that has the focus (else arrow down in a
drop-down moves to the next cell), and a text field takes its direction from what is typed."""


class Explorer(ipywidgets.VBox):
    """Controls above, what they ask for below.

    controls: the widgets by name; setting the ``value`` of one draws again.
    output: what was drawn last. It is filled from here and not by a context that catches what is displayed: such a context
        needs a front end that answers, and a run without one may wait for ever.

    Args:
        draw: called with the values of the controls, by name, now and whenever one changes; returns figures, or anything
            with ``_repr_html_``. A ``ValueError`` is said in a line.
        controls: in the order in which Tab reaches them.
        head: what stands above the controls.
    """

    def __init__(
        self,
        draw: Callable[..., Sequence[Plotly | Html]],
        controls: Mapping[str, ipywidgets.ValueWidget],
        head: Sequence[ipywidgets.Widget] = (),
    ) -> None:
        self.controls, self.output = dict(controls), ipywidgets.Output()
        self._draw, self._asked = draw, dict(controls)
        for control in controls.values():
            control.observe(lambda change: self._update(), "value")
        self._update()
        box = ipywidgets.Box(list(controls.values()), layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="4px 16px"))
        super().__init__([ipywidgets.HTML(_HEAD), *head, box, self.output])
        self.add_class("kit-explorer")

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str] | None:
        """What a notebook shows; where its controls cannot run, a line that says where to look."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return bundle and {**bundle, "text/plain": ELSEWHERE}

    def _update(self) -> None:
        try:
            drawn = self._draw(**{name: control.value for name, control in self._asked.items()})
        except ValueError as error:
            self.output.outputs = ({"output_type": "stream", "name": "stdout", "text": f"{error}\n"},)
            return
        self.output.outputs = tuple(
            {"output_type": "display_data", "data": mime_bundle(one), "metadata": {}} for one in drawn
        )


def batch_explorer(corpora: Sequence[ParallelCorpus], batch_size: int = 100) -> Explorer:
    """Which languages meet in a batch, by sampling, share of monolingual batches (alpha) and seed.

    Raises:
        ValueError: whatever the sampler refuses.
    """
    PairBatchSampler(corpora, Sampling.parse("Hybrid"), batch_size, 0)  # a corpus that is too small is an error here
    sampling = _dropdown("sampling", [name for name in SAMPLINGS if _serves(corpora, name, batch_size)], "Hybrid")
    alpha = ipywidgets.FloatSlider(0.5, min=0, max=1, step=0.05, description="alpha", style=_STYLE, layout=_WIDE)
    seed = ipywidgets.BoundedIntText(0, min=0, max=2**31 - 1, description="seed", style=_STYLE)
    sampling.observe(lambda change: setattr(alpha, "disabled", change["new"] != "Hybrid"), "value")

    def draw(sampling: str, alpha: float, seed: int) -> Sequence[go.Figure]:
        return batch_figures(corpora, f"Hybrid({alpha:g})" if sampling == "Hybrid" else sampling, batch_size, seed)

    return Explorer(draw, {"sampling": sampling, "alpha": alpha, "seed": seed})


def _serves(corpora: Sequence[ParallelCorpus], sampling: str, batch_size: int) -> bool:
    """Whether the corpora have what the batches of a sampling need: its language, enough clusters."""
    try:
        PairBatchSampler(corpora, Sampling.parse(sampling), batch_size, 0)
    except ValueError:
        return False
    return True


def batch_figures(
    corpora: Sequence[ParallelCorpus], sampling: str, batch_size: int = 100, seed: int = 0
) -> tuple[go.Figure, go.Figure]:
    """What the batch explorer shows: the first batches of an epoch row by row, and the pairs of about a thousand, counted.

    The thousand are whole epochs: one alone is too coarse to tell which pairs are frequent.
    """
    sampler = PairBatchSampler(corpora, Sampling.parse(sampling), batch_size, seed)
    n_epochs = -(-_COUNTED // len(sampler))
    drawn = [sampler.batch(epoch, index) for epoch in range(n_epochs) for index in range(len(sampler))]
    first = {sampling: drawn[: min(24, len(sampler))]}
    return plots.batch_picture(first, sampler.languages), plots.pair_counts({sampling: drawn}, sampler.languages)


def retrieval_explorer(index: Index, k: int = 10, start: str | None = None) -> Explorer:
    """Pick or type a question in any language and see the lists of two models, the versions of the answer marked.

    A question of the task is found by typing a part of it, and Enter asks any other text. Those that are suggested are
    answered in all languages, if the task has such.

    Args:
        index: holds the models.
        k: length of the lists at first.
        start: the model that is shown at first, the first of the others beside it; ``None``: the one that answers best.
    """
    tags = list(index.task.languages)
    language = "en" if "en" in tags else tags[0]
    asked = _dropdown("questions in", _named(tags), language)
    names, start = list(index.models), start or index.best
    first = _dropdown("model", names, start)
    second = _dropdown("beside it", names, next((name for name in names if name != start), start))
    question = ipywidgets.Combobox(
        value=index.suggested()[0][0],
        placeholder="pick, or type any question and press Enter",
        description="question",
        continuous_update=False,
        style=_STYLE,
        layout=ipywidgets.Layout(width="54em", max_width="100%"),
    )
    question.add_class("kit-text")
    told = ipywidgets.HTML()
    pool = _dropdown("search in", [(ALL, ALL), *_named(tags)], ALL)
    length = ipywidgets.IntSlider(k, min=1, max=DEPTH, description="length", style=_STYLE, layout=_WIDE)

    def suggest(language: str) -> None:
        found, n_languages = index.suggested(language)
        told.value = _suggested_text(len(found), n_languages, len(tags))
        question.options = found[:SUGGESTED]
        if found:
            question.value = found[0]

    suggest(language)
    asked.observe(lambda change: suggest(change["new"]), "value")
    names_in = Names(index)

    def draw(question: str, first: str, second: str, pool: str, length: int) -> Sequence[ResultLists]:
        return [ranked_lists(index, question, (first, second), length, None if pool == ALL else pool, names_in)]

    controls = {"question": question, "first": first, "second": second, "pool": pool, "length": length}
    explorer = Explorer(draw, controls, [asked, told])
    explorer.controls["asked"] = asked
    return explorer


def _suggested_text(n_questions: int, n_languages: int, n_all: int) -> str:
    if not n_questions:
        return "No question of the task is in this language; any can be typed."
    where = f"all {n_all} languages" if n_languages == n_all else f"{n_languages} of {n_all} languages"
    return f"{n_questions:,} questions have an answer here in {where}; any other can be typed."


def ranked_lists(
    index: Index,
    question: str,
    models: Sequence[str],
    k: int = 10,
    language: str | None = None,
    names: Names | None = None,
) -> ResultLists:
    """What the retrieval explorer shows: the lists of some models for one question; arguments as in ``Index.ask``.

    Below them stands what was right, with its rank by each model. Of a question that is none of the task's nothing is known
    to be right; a line says which candidates hold what it names, and the first of these stand there.

    Args:
        names: of this index, if they have been made before.
    """
    models = list(dict.fromkeys(models))
    lists = {name: index.ask(name, question, k, language) for name in models}
    rows, note, title = sorted(index.answers(question)), "", "What was right"
    if not rows:
        found = (names or Names(index)).found(question)
        rows, title = sorted({row for held in found.values() for row in held}), "What holds the name"
        note = what_was_found(found, len(index.task.candidates))
    places = {name: index.places(name, question, rows, language) for name in models}
    return ResultLists(question, lists, note, _nearest(places), title)


def _nearest(places: Mapping[str, Sequence[Hit]]) -> dict[str, list[Hit]]:
    """The candidates that stand highest in the first list."""
    first = next(iter(places.values()))
    order = sorted(range(len(first)), key=lambda row: first[row].rank)[:_PLACES]
    return {name: [hits[row] for row in order] for name, hits in places.items()}


def bias_explorer(index: Index, results: Results) -> Explorer:
    """Who asks, and who is answered: query language, measure, depth of the list, and two models.

    Args:
        index: of the test task, with models of the names in ``results``; its other models are left out.
        results: the measures; means over the seeds.
    """
    tags = list(index.task.languages)
    names = {measure.label: measure.column for measure in PANEL} | {f"multi {name}": key for key, name in MEASURES.items()}
    asked = _dropdown("asked in", _named(tags), tags[0])
    measure = _dropdown("measure", list(names.items()), "rank_distance")
    depth = ipywidgets.IntSlider(
        min(10, len(index.task.candidates)),
        min=1,
        max=min(DEPTH, len(index.task.candidates)),
        description="first k",
        style=_STYLE,
        layout=_WIDE,
    )
    models = [name for name in index.models if name in results.models]
    first, second = _dropdown("model", models, models[0]), _dropdown("beside it", models, models[-1])
    values = lru_cache(maxsize=None)(lambda column: by_query_language(results, column))

    def draw(asked: str, measure: str, depth: int, first: str, second: str) -> Sequence[go.Figure]:
        return [askers_figure(index, values(measure), asked, measure, depth, (first, second))]

    for name in models:
        index.shares(name, 1)  # ranks all queries: the first move of a control should not have to wait for it
    return Explorer(draw, {"asked": asked, "measure": measure, "depth": depth, "first": first, "second": second})


def by_query_language(results: Results, column: str) -> dict[str, np.ndarray]:
    """Mean of a measure of the pool by query language and model, (n_languages,), over queries, then seeds; NaN for none."""
    found = {}
    for model in results.models:
        cells = results.values(model, "multilingual", column)
        means = dict(zip((query for query, _ in cells.cells), np.nanmean(cells.values, axis=0))) if cells.cells else {}
        found[model] = np.array([means.get(language, np.nan) for language in results.languages])
    return found


def askers_figure(
    index: Index, values: Mapping[str, np.ndarray], asked: str, measure: str, k: int, models: Sequence[str]
) -> go.Figure:
    """What the bias explorer shows; ``values`` are those of ``by_query_language`` for the column ``measure``."""
    languages = list(index.task.languages)
    pool = np.bincount(index.task.candidate_language, minlength=len(languages)) / len(index.task.candidates)
    models = list(dict.fromkeys(models))
    label = {one.column: one.label for one in PANEL}.get(measure) or f"multilingual {MEASURES[measure]}"
    shares = {model: index.shares(model, k)[languages.index(asked)] for model in models}
    return plots.askers_chart({model: values[model] for model in models}, shares, pool, languages, asked, label, k)


def embedding_explorer(index: Index, n_answers: int = 12) -> Explorer:
    """Where the versions of some answers lie, by model and projection (UMAP where umap-learn is installed)."""
    model = _dropdown("model", list(index.models), list(index.models)[-1])
    there = [name for name in PROJECTIONS if name != "UMAP" or find_spec("umap")]
    projection = _dropdown("projection", there, "PCA")
    number = ipywidgets.IntSlider(n_answers, min=2, max=40, description="answers", style=_STYLE, layout=_WIDE)
    seed = ipywidgets.BoundedIntText(0, min=0, max=2**31 - 1, description="other answers", style=_STYLE)

    def draw(model: str, projection: str, number: int, seed: int) -> Sequence[go.Figure]:
        return [embedding_figure(index, model, projection, number, seed)]

    return Explorer(draw, {"model": model, "projection": projection, "number": number, "seed": seed})


def embedding_figure(index: Index, model: str, projection: str = "PCA", n_answers: int = 12, seed: int = 0) -> go.Figure:
    """What the embedding explorer shows: the versions of some answers (``Index.versions``) in two dimensions."""
    found = index.versions(model, n_answers, seed)
    plane = project(found.points, projection, seed)
    title = f"{model}: the versions of {n_answers} answers, {projection}"
    return plots.embedding_map(plane, found.languages, found.answers, found.texts, title)


def _dropdown(description: str, options: Sequence, value: object) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(options=options, value=value, description=description, style=_STYLE, layout=_WIDE)


def _named(tags: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{language_name(tag)} ({tag})", tag) for tag in tags]
