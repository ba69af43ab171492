"""Which models lie on this machine, best first: what a demonstration starts with. Nothing is downloaded or asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from kit.core.languages import language_tag
from kit.core.printing import say
from kit.data.embeddings.encoding import TextEncoder
from kit.data.embeddings.stored import stored
from kit.run.audits import AuditedModel, load_audited
from kit.run.models.keeping import KeptModel, kept_models
from kit.run.settings import Settings
from kit.train.encoders.finding import MADE
from kit.train.encoders.loading import weights_of
from kit.train.history import History

Log = Callable[[str], None]


@dataclass(frozen=True)
class AtHand(AuditedModel):
    """A model that lies on this machine; ``name`` is its folder.

    n_updates: of a model from scratch; a pretrained one has learned more than any of these.
    """

    n_updates: float = inf


def at_hand(languages: Collection[str], train: Sequence[str]) -> list[AtHand]:
    """Models that can be asked in some languages, best first.

    Pretrained ones come first: those that runs have tuned, or put a head on, with the training data ``train``, then those of
    the hub's cache whose card names the languages, or "multilingual". Of models from scratch, which know the words of their
    training only, those of ``train`` follow, the longest trained first. Validation scores decide between equals.
    """
    kept = sorted((one for one in kept_models() if set(one.facts["train"]) == set(train)), key=_merit, reverse=True)
    ours = [_audited(one) for one in kept]
    tuned, scratch = ([one for one in ours if (one.n_updates < inf) == is_made] for is_made in (False, True))
    return [*tuned, *_cached(languages), *scratch]


def better_than(settings: Settings, languages: Collection[str], log: Log = say) -> dict[str, TextEncoder]:
    """The best model at hand, by its label, if it is better than those of a run of ``settings``; else nothing.

    Better is a pretrained model than one from scratch, and of these the one that was trained longer. A transformer has the
    store of its embeddings, so that a text is encoded once.
    """
    found = at_hand(languages, settings.data.train) if settings.encoder.name in MADE else []
    return {one.label: load(one, log) for one in found[:1] if one.n_updates > settings.training.updates}


def load(one: AuditedModel, log: Log = say) -> TextEncoder:
    """A model as it is audited, a transformer with the store of its embeddings.

    Raises:
        ValueError: it cannot be loaded.
    """
    return stored(load_audited(one, ("", ""), False, log), lambda: weights_of(one.name), one.name, log)


def _merit(one: KeptModel) -> tuple[int, float]:
    scores = History.read(one.folder / "history.json").scores
    return one.facts["training"]["updates"], scores[-1][1]["score"] if scores else 0.0


def _audited(one: KeptModel) -> AtHand:
    n_updates = one.facts["training"]["updates"]
    label = f"{one.folder.parents[1].name}: {one.facts['sampling']}, {n_updates:,} updates"
    return AtHand(label, str(one.folder / "model"), n_updates if one.facts["encoder"]["name"] in MADE else inf)


def _cached(languages: Collection[str]) -> list[AtHand]:
    """Models of sentence-transformers in the hub's cache that know the languages, by name; found by their folders."""
    from huggingface_hub import constants

    cache = Path(os.environ.get("SENTENCE_TRANSFORMERS_HOME") or constants.HF_HUB_CACHE)
    folders = sorted(path.parent for path in cache.glob("models--*/snapshots/*/modules.json"))
    named = {one.parents[1].name.removeprefix("models--").replace("--", "/"): one for one in folders}
    return [AtHand(name, str(folder)) for name, folder in named.items() if _knows(folder, languages)]


def _knows(folder: Path, languages: Collection[str]) -> bool:
    """Whether a model's card says that it knows some languages."""
    from huggingface_hub import ModelCard

    if not (folder / "README.md").is_file():
        return False
    said = ModelCard.load(folder / "README.md", ignore_metadata_errors=True).data.to_dict().get("language") or []
    tags = {str(tag) for tag in ([said] if isinstance(said, str) else said)}
    return "multilingual" in tags or {language_tag(one).split("-")[0] for one in languages} <= {
        tag.split("-")[0] for tag in tags
    }
