"""The page: which model, which task, a button; below it what the audit says, and the explorers."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path

import ipywidgets

from kit.compare.results import Results
from kit.core import paths
from kit.data.parts import part_of
from kit.data.registry import load_task
from kit.data.sources.atlas.render import LANGUAGES
from kit.evaluate.index import Index
from kit.run.audits import AuditedModel, audit, audited_models
from kit.run.models.at_hand import at_hand, load
from kit.show import widgets
from kit.show.report.folder import run_findings, run_metrics, run_results
from kit.show.report.words import summary_sentences

Log = Callable[[str], None]

RUN = "app"
"""Start of the names of the folders in ``reports/`` that the page's audits write."""
_QUESTIONS = 100
"""Questions of the first audit: enough for a verdict within seconds; 0 are all."""
_REPORTS = "voila/files/reports"
"""Address, below the page's, of the files in ``reports/`` (``kit.run.app.serving``)."""
_WIDE = ipywidgets.Layout(width="40em", max_width="100%")
_STYLE = {"description_width": "8em"}


def page() -> ipywidgets.VBox:
    """The controls, and what they lead to.

    The model that is named at first is the best at hand (``kit.run.models.at_hand``); any other is given by its folder or
    its name on the hub. What cannot be done is said in a line.
    """
    there = {one.label: one for one in at_hand(LANGUAGES, ["atlas"])}
    model = ipywidgets.Combobox(
        value=next(iter(there), ""),
        options=list(there),
        placeholder="a model's folder, or its name on the hub",
        description="model",
        style=_STYLE,
        layout=_WIDE,
    )
    task = ipywidgets.Text("atlas", description="task", style=_STYLE, layout=_WIDE)
    n_questions = ipywidgets.BoundedIntText(_QUESTIONS, min=0, max=10**9, description="questions", style=_STYLE)
    button = ipywidgets.Button(description="Audit", button_style="primary")
    said, result = ipywidgets.HTML(_start(bool(there))), ipywidgets.VBox()
    before: dict[tuple[str, int], dict[str, AuditedModel]] = {}  # models of one task and number of questions, by label

    def log(line: str) -> None:
        said.value = f"<p>{html.escape(line.strip())}</p>"

    def click(_: object) -> None:
        button.disabled, result.children = True, ()
        try:
            log(f"{model.value}: loading …")
            one = there.get(model.value) or audited_models([model.value.strip()])[0]
            asked = (task.value, n_questions.value)
            others = {label: other for label, other in before.get(asked, {}).items() if label != one.label}
            models = others | {one.label: one}
            result.children = audited(list(models.values()), *asked, log)
            before[asked], said.value = models, ""
        except (ValueError, RuntimeError, OSError) as error:
            log(str(error))
        finally:
            button.disabled = False

    button.on_click(click)
    return ipywidgets.VBox([ipywidgets.HTML(_HEAD), model, task, n_questions, button, said, result])


def audited(models: list[AuditedModel], task: str, n_questions: int, log: Log) -> tuple[ipywidgets.Widget, ...]:
    """What an audit of models says, and two explorers of the same questions and candidates; the last model is asked first.

    Raises:
        ValueError: whatever ``kit.run.audits.audit`` refuses.
    """
    (folder,) = audit([f"{one.label}={one.name}" for one in models], (task,), RUN, limit=n_questions, log=log)
    metrics = run_metrics(folder)
    results = run_results(folder, metrics)
    log("the explorers …")
    index = Index({one.label: load(one, log) for one in models}, part_of(load_task(task), n_groups=n_questions))
    return (
        ipywidgets.HTML(_verdict(folder, metrics, results)),
        ipywidgets.HTML("<h2>Ask it</h2>"),
        widgets.retrieval_explorer(index, start=models[-1].label),
        ipywidgets.HTML("<h2>Who asks, and who is answered</h2>"),
        widgets.bias_explorer(index, results),
    )


_HEAD = (
    "<h1>Does a retriever prefer some languages?</h1><p>Audit any sentence-transformers model: how well does it answer "
    "within a language, across languages, and in one list of all languages, and which languages does it put first? Then ask "
    "it.</p>"
    "<p>A task is <code>atlas</code>, <code>lareqa:FOLDER</code> or <code>jsonl:FOLDER</code>; of so many questions, 0 for "
    "all.</p>"
)


def _start(is_there: bool) -> str:
    if is_there:
        return "<p>The model above is the best one on this machine.</p>"
    return (
        "<p>No model for these languages is on this machine yet: <code>python -m kit run 04</code> trains three within two "
        "minutes, or name one on the hub, such as <code>sentence-transformers/LaBSE</code>.</p>"
    )


def _verdict(folder: Path, metrics: Mapping, results: Results) -> str:
    sentences = summary_sentences(metrics, results, run_findings(folder))
    text = " ".join(
        "".join(f"<b>{html.escape(part)}</b>" if is_name else html.escape(part) for part, is_name in sentence.parts())
        for sentence in sentences
    )
    address = html.escape(f"{_REPORTS}/{folder.relative_to(paths.reports()).as_posix()}/index.html")
    style = "text-decoration: underline"
    return f'<p>{text}</p><p><a href="{address}" target="_blank" style="{style}">The whole report</a></p>'
