"""The page and its summary: templates filled so that no text from data, names or settings can act in them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import overload

import jinja2
from markupsafe import Markup

from kit.compare.claims import Finding
from kit.compare.paper import MARGIN_DISTANCE, MARGIN_MAP, NOT_TESTED, claim_cells
from kit.compare.results import Results
from kit.compare.stats import legend
from kit.core.printing import MISSING, visible
from kit.evaluate.bias.measures import PANEL
from kit.show.plots.style import CONFIG
from kit.show.report import grids, words
from kit.show.report.drawing import ORDER
from kit.show.report.questions import Extremes
from kit.train.config import unread

_RULE = (
    "Seen: the whole interval of the difference lies on the claim's side, in the mean and in every seed; to reach is to be "
    f"less than {MARGIN_MAP} mAP or {MARGIN_DISTANCE:.0%} of the rank distance worse. The p-values (paired randomisation "
    "test, Holm over the claims) do not decide."
)

OF_STUDIES = ("tests", "alphas", "batch_sizes", "temperatures", "domains", "shares", "parallel", "bitexts")
"""Settings that only studies read, and no run that trains and judges its own samplings."""

_ISOLATES = re.compile("[\u2068\u2069]")  # put around names by kit.show.plots; the page isolates by its own means
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#$])")


@dataclass(frozen=True)
class Fact:
    """A line on where the numbers come from: the value in each run, ``MISSING`` for a run that has no such thing."""

    group: str
    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether runs that have it have it differently."""
        return len(set(self.values) - {MISSING}) > 1


def web_page(
    folder_name: str,
    metrics: Mapping,
    results: Results,
    found: Sequence[Finding],
    figures: Mapping[str, Mapping],
    notebooks: Sequence[str],
    questions: Extremes | None = None,
    tables: Sequence[str] = (),
) -> str:
    """``index.html``: one file that needs no other and loads nothing.

    Args:
        folder_name: of the run, as ``python -m kit report`` takes it.
        metrics: what ``metrics.json`` holds; results: what ``per_query.parquet`` holds.
        found: on the paper's claims; empty for a run that did not check them.
        figures: plotly data by name.
        notebooks: file names of the executed notebooks.
        questions: the best and the worst; None where they were not kept.
        tables: file names of the tables.
    """
    environment = _environment(autoescape=True)
    environment.filters["name"] = _name
    # The parts are put in as they are: they are ours, and what comes from data has been made safe in `_as_script_data`.
    code, library = Markup(_source(environment, "report.js")), Markup(_plotly())
    content = _content(folder_name, metrics, results, found)
    content |= {
        "style": Markup(_source(environment, "report.css")),
        "code": code,
        "plotly": library,
        "policy": _policy([str(code), str(library)]),
        "figures": {name: _described(name, figures[name]) for name in _ordered(figures)},
        "data": Markup(_as_script_data({name: figures[name] for name in _ordered(figures)})),
        "settings": json.dumps(CONFIG),
        "notebooks": notebooks,
        "tables": tables,
        "questions": questions,
        "has_lists": all(run.keeps_lists for runs in results.evaluations.values() for run in runs),
        "weakest": [sentence.parts() for model in results.models for sentence in words.weakest(results, model)],
        "pairs": grids.pair_grid(results),
        "by_language": grids.language_grid(results),
    }
    return environment.get_template("index.html").render(content) + "\n"


def summary(folder_name: str, metrics: Mapping, results: Results, found: Sequence[Finding]) -> str:
    """``summary.md``: the paragraph, the tables of models and where they come from, as Markdown."""
    environment = _environment(autoescape=False)
    environment.filters |= {"md": _markdown, "code": _code_span, "block": _code_block}
    return environment.get_template("summary.md").render(_content(folder_name, metrics, results, found)) + "\n"


def _content(folder_name: str, metrics: Mapping, results: Results, found: Sequence[Finding]) -> dict:
    """What both templates show."""
    about = metrics["about"]
    leaders = grids.ranking(metrics["headline"], "multi mAP")[:1]
    sentences = words.summary_sentences(metrics, results, found)
    sentences += [sentence for leader in leaders for sentence in words.weakest(results, leader)]
    n_tests = sum(one["adjusted_p"] is not None for one in metrics["differences"])
    headline, panel = grids.headline_grid(metrics), grids.bias_grid(metrics)
    differences, claims = grids.differences_grid(metrics), [claim_cells(finding) for finding in found]
    return {
        "name": about["run"],
        "about": about,
        "reference": results.models[0],
        "test": words.TEST if len(results.models) > 1 else "",
        "sentences": [sentence.parts() for sentence in sentences],
        "headline": headline,
        "panel": panel,
        "measures": PANEL,
        "differences": differences,
        "n_tests": n_tests,
        "level": grids.LEVEL,
        "claims": claims,
        "not_tested": NOT_TESTED,
        "rule": _RULE,
        "marked": legend([headline, panel, differences, claims]),
        "models": grids.model_grid(about),
        "pool": grids.pool_grid(about, results),
        "facts": _facts(about.get("runs") or [about]),
        "runs": [run["run"] for run in about.get("runs") or [about]],
        "made": _made(about),
        "report_command": about["command"] if about.get("runs") else f"python -m kit report {shlex.quote(folder_name)}",
    }


def _made(about: Mapping) -> list[str]:
    """When, by what and on what the report was made, as far as it is known: a few words each."""
    made, machine = about.get("made", {}), about["machine"]
    kit = f"kit {made['kit']}" + (f" ({made['commit']})" if "commit" in made else "") if "kit" in made else ""
    took = f"{'training ' if about['kind'] == 'training' else ''}took {made['duration']}" if "duration" in made else ""
    cores = f"{machine['processor']}, {machine['cores']} cores" if {"processor", "cores"} <= machine.keys() else ""
    gpu = machine.get("GPU", "none")
    return [part for part in (made.get("date", ""), kit, took, cores, "" if gpu == "none" else gpu) if part]


def _facts(runs: Sequence[Mapping]) -> list[Fact]:
    """Commands, settings, checksums, versions and machines, a value for each run."""
    facts = [Fact("command", "command", tuple(run["command"] for run in runs))]
    for group, title in (
        ("settings", "settings"),
        ("checksums", "sha256"),
        ("made", "made"),
        ("versions", "versions"),
        ("machine", "machine"),
    ):
        told = [_used(run) if group == "settings" else run.get(group, {}) for run in runs]  # earlier versions: no "made"
        for name in dict.fromkeys(name for of_run in told for name in of_run):
            values = tuple(_value_text(of_run[name]) if name in of_run else MISSING for of_run in told)
            facts.append(Fact(title, name, values))
    return facts


def _used(run: Mapping) -> dict[str, object]:
    """Settings that the run used; ``metrics.json`` has all of them."""
    settings = run["settings"]
    hidden = {*OF_STUDIES, *unread(settings)} if run["kind"] == "training" else set()
    return {name: value for name, value in settings.items() if name not in hidden}


def _value_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ordered(names: Iterable[str]) -> list[str]:
    """Names of figures in the order of the page; those that it does not know come last."""

    def order(name: str) -> tuple[int, int, str]:
        kind, _, count = name.partition("-")
        return (ORDER.index(kind) if kind in ORDER else len(ORDER)), int(count) if count.isdecimal() else 0, name

    return sorted(names, key=order)


def _described(name: str, figure: Mapping) -> dict[str, object]:
    """The figure in words, as plain text and as the caption under it, and its height."""
    layout = figure.get("layout", {})
    title = (layout.get("title") or {}).get("text") or name
    alt = (layout.get("meta") or {}).get("alt") or title
    caption = Markup().join(_name(part) for part in _ISOLATES.split(alt) if part)
    return {"alt": _ISOLATES.sub("", alt), "caption": caption, "height": int(layout.get("height") or 450)}


def _as_script_data(content: object) -> str:
    """JSON that can stand in a script element: no character in it can end the element or a line of JavaScript."""
    text = json.dumps(content, separators=(",", ":"))  # ASCII: U+2028 and U+2029 are written as escapes
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _plotly() -> str:
    """plotly.js, as the plotly package brings it."""
    from plotly.offline import get_plotlyjs

    return re.sub("</(?=script)", "<\\\\/", get_plotlyjs(), flags=re.IGNORECASE).replace("<!--", "<\\!--")


def _environment(autoescape: bool) -> jinja2.Environment:
    """Templates of templates/, which keep no empty line of a statement."""
    return jinja2.Environment(
        loader=_templates(), autoescape=autoescape, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )


@cache
def _templates() -> jinja2.PackageLoader:
    return jinja2.PackageLoader("kit.show.report")


def _source(environment: jinja2.Environment, name: str) -> str:
    """A file of templates/ as it is."""
    return _templates().get_source(environment, name)[0]


def _policy(scripts: Sequence[str]) -> str:
    """Content security policy: only these scripts run, nothing is loaded, nothing is sent."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )


@overload
def _shown(value: str) -> str: ...
@overload
def _shown(value: object) -> object: ...
def _shown(value: object) -> object:
    """A text from data with its invisible and direction-changing characters written out, such as ⟨U+202E⟩."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return visible(value)


def _name(text: str) -> Markup:
    """A name in HTML that stays apart from the text around it in its direction, and may be broken at its slashes."""
    return Markup("<bdi>{}</bdi>").format(Markup("/<wbr>").join(_shown(text).split("/")))


def _markdown(text: str) -> str:
    """A text that Markdown and HTML take as it is, on one line."""
    text = " ".join(_shown(unicodedata.normalize("NFC", text)).split())
    return _MARKDOWN.sub(r"\\\1", text.replace("&", "&amp;"))


def _code_block(text: str) -> str:
    """A text of several lines as code, indented: no line of it can end the block."""
    return "\n".join(f"    {_shown(line)}" for line in text.splitlines())


def _code_span(text: str) -> str:
    """A text on one line as code, between more backticks than it holds."""
    text = " ".join(_shown(text).split())
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks} {text} {ticks}" if len(ticks) > 1 else f"`{text}`"
