"""A trained model leaves the cache: a plain sentence-transformers folder with its card filled in, here or on the hub."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.core.files import CHECKSUMS, whole_folder
from kit.core.paths import root
from kit.core.printing import near, say
from kit.run.cli.doing import run_folder

if TYPE_CHECKING:
    import argparse

_ATLAS = ("Unicode-3.0 (facts and names), Apache-2.0 (wording)", "made from Unicode CLDR")
_UNKNOWN = ("not known to the kit: see where the data come from", "")

_ASKED_FOR = (
    "batch_size",
    "updates",
    "learning_rate",
    "weight_decay",
    "warmup",
    "temperature",
    "trainable",
    "hard_negatives",
)
"""Settings of a recipe that a card names, whatever their values."""


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to those of the command line."""
    command = commands.add_parser(
        "export",
        help="take a trained model out of the cache, with a card",
        description="Write a model that a run trained as a plain sentence-transformers folder, whose card says what it was "
        "trained on and how, and what it scores, with intervals; with --push, to the hub as well.",
    )
    command.add_argument("run", metavar="RUN", help="name of a folder in reports/, or path of a run's folder")
    command.add_argument("model", metavar="MODEL", help="as the run's tables call it, such as Hybrid")
    command.add_argument("folder", nargs="?", default="", metavar="FOLDER", help="to write; not there yet")
    command.add_argument("--seed", type=int, metavar="N", help="which of several trainings")
    command.add_argument("--push", default="", metavar="NAME", help="repository on the hub, such as me/my-model")
    command.add_argument(
        "--licence", default="", metavar="ID", help="of the model, as the hub calls it: you decide, e.g. mit"
    )
    command.set_defaults(function=do_export)


def do_export(parsed: argparse.Namespace) -> None:
    """Export a trained model."""
    if not parsed.folder and not parsed.push:
        raise ValueError("export: give a folder to write, or --push NAME for the hub, or both")
    run = run_folder(parsed.run)
    if parsed.folder:
        export(run, parsed.model, Path(parsed.folder), parsed.seed, parsed.licence)
        say(parsed.folder)
        if parsed.push:
            say(push(Path(parsed.folder), parsed.push))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        export(run, parsed.model, folder, parsed.seed, parsed.licence)
        say(push(folder, parsed.push))


def export(run: Path, model: str, target: Path, seed: int | None = None, licence: str = "") -> None:
    """Write a model that a run trained as a plain sentence-transformers folder with its card.

    Args:
        run: folder of the run.
        model: sampling whose model it is, as the run calls it.
        target: folder to write; it must not be there.
        seed: of the training; may be left out where there is one.
        licence: of the model, an identifier of the hub; empty: the card leaves it open.

    Raises:
        ValueError: the run trained no such model, or several seeds and none is given; the model is no longer in the cache,
            damaged, or no sentence-transformers model; ``target`` is there.
    """
    from kit.run.audits import EXPORTED
    from kit.run.training import is_trained
    from kit.show.report.folder import run_metrics

    if target.exists():
        raise ValueError(f"{target} is there already: choose another folder, or take it away first")
    metrics = run_metrics(run)
    number, source = trained_folder(run, metrics["about"], model, seed)
    if not is_trained(source.parent, say):
        raise ValueError(f"{source} is not there any more, or damaged: python -m kit run --again {run.name} trains it again")
    if not (source / "modules.json").is_file():
        raise ValueError(f"{source} holds a matrix for given embeddings, which is no model: copy its matrix.npy")
    from kit.train.encoders.saving import HEAD

    with whole_folder(target) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns(CHECKSUMS, HEAD))
        facts = json.loads((source.parent / "settings.json").read_text(encoding="utf-8"))
        (partial / EXPORTED).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        text = (source / "README.md").read_text(encoding="utf-8")
        (partial / "README.md").unlink()  # it may be a link to another model's
        (partial / "README.md").write_text(card(text, metrics, model, number, facts, licence), encoding="utf-8")


def push(folder: Path, name: str) -> str:
    """Upload an exported folder to the hub with the account that is logged in there; returns the address of the commit."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").push_to_hub(name, local_model_path=str(folder))


def trained_folder(run: Path, about: Mapping[str, Any], model: str, seed: int | None) -> tuple[int, Path]:
    """Place of a training among its model's seeds, and the folder of what it trained."""
    from kit.run.models.keeping import KEY, kept_folder

    models = about["models"] if about["kind"] == "training" else {}
    if model not in models:
        known = ", ".join(models) or "none: it is an audit or a comparison"
        raise ValueError(f"{run.name} trained no model {model!r:.80}: it trained {known}{near(model, models)}")
    folders = {int(name.removeprefix("seed ")): path for name, path in models[model].items() if name.startswith("seed ")}
    if seed is None and len(folders) > 1:
        raise ValueError(f"{run.name} trained {model} with seeds {', '.join(map(str, folders))}: choose one with --seed")
    seed = next(iter(folders)) if seed is None else seed
    if seed not in folders:
        raise ValueError(f"{run.name} trained no {model} with seed {seed}: choose from {', '.join(map(str, folders))}")
    in_cache, kept = root() / folders[seed], kept_folder(run, model, seed)
    key = (kept / KEY).read_text(encoding="utf-8") if (kept / KEY).is_file() else ""  # the folder may hold a later training
    stays = not in_cache.is_dir() and key == in_cache.parent.name
    return list(folders).index(seed), kept / "model" if stays else in_cache


def card(text: str, metrics: Mapping[str, Any], model: str, number: int, facts: Mapping[str, Any], licence: str) -> str:
    """The card that sentence-transformers wrote after the training, with scores, data and recipe.

    Args:
        text: that card.
        metrics: of the run (``metrics.json``).
        model: as the run calls it; number: of the training among its seeds.
        facts: of the training (``kit.run.training.TrainJob.facts``).
        licence: of the model, or empty.
    """
    from huggingface_hub import EvalResult, ModelCard

    made = ModelCard(text, ignore_metadata_errors=True)
    data: Any = made.data
    scores = _scores(metrics, model, number)
    test = metrics["about"]["test"]
    if licence:
        data.license = licence
    data.model_name = f"Retriever fine-tuned with {model} batches"
    data.eval_results = [
        EvalResult("text-retrieval", test, test, column.replace(" ", "_"), value, metric_name=column)
        for column, (value, *_) in scores.items()
        if not math.isnan(value)
    ]
    sections = "\n\n".join([_scores_told(scores, metrics, model, facts["seed"]), _data_told(facts), _recipe_told(facts)])
    before, heading, after = str(made.content).partition("\n## Citation\n")
    cited = (
        ""
        if "2408.10536" in after
        else "\n\n## Citation\n\nThe batches: arXiv [2408.10536](https://arxiv.org/abs/2408.10536).\n"
    )
    return f"{before.rstrip()}\n\n{sections}\n{heading}{after}{cited}"


def _scores(metrics: Mapping[str, Any], model: str, number: int) -> dict[str, tuple[float, float, float, float]]:
    """By column: score of the training, mean over all seeds, and the ends of its interval."""
    from kit.compare.columns import HEADLINE

    known = metrics["models"][model]
    own = known["by_seed"][number]
    found = {}
    for column, (setting, measure) in HEADLINE.items():
        interval = known["intervals"][column]
        value = own.get(setting, {}).get(measure, math.nan)
        found[column] = value, *(interval[part] for part in ("estimate", "low", "high"))
    return found


def _scores_told(scores: Mapping[str, tuple[float, ...]], metrics: Mapping[str, Any], model: str, seed: int) -> str:
    about = metrics["about"]
    n_seeds = about["n_seeds"][model]
    rows = [
        f"| {column} | {value:.3f} | {mean:.3f} | {low:.3f} to {high:.3f} |"
        for column, (value, mean, low, high) in scores.items()
        if not math.isnan(value)
    ]
    counts = f"{about['n_queries']:,} queries and {about['n_candidates']:,} candidates in {', '.join(about['languages'])}"
    notes = [*about["notes"], *about["overlap"]]
    return "\n".join(
        [
            f"## Scores on {about['test']}",
            "",
            f"{counts}. This model is the training with seed {seed}; mean and 95 % interval are of {n_seeds} seed(s), the "
            "interval over questions.",
            "",
            f"| score | this model | mean of {n_seeds} | 95 % interval |",
            "|---|---:|---:|---|",
            *rows,
            *(["", *(f"- {note}" for note in notes)] if notes else []),
        ]
    )


def _data_told(facts: Mapping[str, Any]) -> str:
    rows = [f"| `{spec}` | {' | '.join(_whose(spec))} |" for spec in facts["train"]]
    watched = f"\n\nTraining was watched on `{facts['validation']}`." if facts.get("validation") else ""
    return "## Data it was trained on\n\n| source | licence | who made it |\n|---|---|---|\n" + "\n".join(rows) + watched


def _whose(spec: str) -> tuple[str, str]:
    """Licence and authors of the data that a source reads: what the manifest of public sets says of its name or place."""
    from kit.data.hub.manifest import at_place, sets

    kind, _, path = spec.partition("?")[0].partition(":")
    if kind == "atlas":
        return _ATLAS
    one = sets().get(path) if kind == "hub" else at_place(root() / path) if path else None
    return (one.licence, one.citation) if one else _UNKNOWN


def _recipe_told(facts: Mapping[str, Any]) -> str:
    from kit.train.config import TrainingConfig

    usual, training = dict(TrainingConfig()), facts["training"]
    told = [name for name in training if name in _ASKED_FOR or training[name] != usual.get(name)]
    recipe = "\n".join(f"| `{name}` | {training[name]} |" for name in told)
    return (
        f"## Sampling and recipe\n\nBatches of {facts['sampling']} from `{facts['encoder']['name']}`, after "
        f"arXiv [2408.10536](https://arxiv.org/abs/2408.10536).\n\n| setting | value |\n|---|---|\n{recipe}"
    )
