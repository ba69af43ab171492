"""The embedded translator: a small encoder-decoder trained on parallel text in about a minute on a CPU."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from kit.augment.generation import Generator, default_device
from kit.augment.small_training import SmallModel, encode_for, target_token, token_id, train_model, train_tokenizer
from kit.augment.translator import translate_distinct
from kit.core.files import alone, folder_version, quiet, whole_folder
from kit.core.fingerprints import code_fingerprint, fingerprint, versions
from kit.core.languages import is_tag
from kit.core.paths import cache

if TYPE_CHECKING:
    from transformers import M2M100ForConditionalGeneration, PreTrainedTokenizerFast

Log = Callable[[str], None]

_SETTINGS = "translator.json"


class SmallTranslator:
    """One model for all directions between a few languages: the first token of input and output names the target.

    A real encoder-decoder of M2M100's shape, from scratch: what it has seen often it translates well, such as Atlas's
    templates; on open text it is poor, and its use there is to try a pipeline, not to make data. Made by ``train``,
    ``load`` and ``atlas_translator``. Greedy search, on a GPU where there is one.

    name: ``small`` with a hash of the model's files.
    languages: tags that it translates between, sorted.
    """

    def __init__(
        self, model: M2M100ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, languages: Sequence[str], name: str
    ) -> None:
        self.name = name
        self.languages = tuple(sorted(languages))
        self._tokenizer = tokenizer
        positions = model.config.max_position_embeddings
        self._generator = Generator(model.eval(), tokenizer, batch_size=64, max_tokens=positions, num_beams=1)

    @classmethod
    def train(
        cls,
        parallel: Iterable[Mapping],
        languages: Sequence[str],
        folder: str | Path,
        steps: int = 400,
        seed: int = 0,
        log: Log = print,
        shape: SmallModel | None = None,
    ) -> SmallTranslator:
        """Train a tokenizer and a model, and keep both in a folder, which appears whole or not at all.

        Args:
            parallel: rows with ``texts``, a mapping of language to text; other languages than the given ones are not read.
            languages: at least two tags.
            folder: must not exist, or be empty.
            steps: updates of the model, each with ``shape.batch_size`` pairs; a pair is a row and two of its languages, in
                either direction, drawn uniformly.
            seed: of the initial weights, the pairs and dropout; the same seed gives the same model on the same machine.
            log: takes a line of progress from time to time.
            shape: the size of the model and how it is trained; ``None``: the defaults of ``SmallModel``.

        Raises:
            ValueError: fewer than two languages, a malformed tag, a language without any text that stands beside another, a
                folder with files, or a number out of range.
        """
        languages = _checked(languages)
        shape = shape or SmallModel()
        folder = Path(folder)
        if folder.exists() and any(folder.iterdir()):
            raise ValueError(f"folder {folder} is not empty: choose another one, or load the translator that is there")
        rows = [
            {language: row["texts"][language] for language in languages if row["texts"].get(language, "").strip()}
            for row in parallel
        ]
        rows = [texts for texts in rows if len(texts) > 1]
        if lacking := [language for language in languages if not any(language in texts for texts in rows)]:
            raise ValueError(
                f"parallel: no row has {lacking[0]!r} beside another of the languages {list(languages)}: leave it out"
            )
        tokenizer = train_tokenizer((text for texts in rows for text in texts.values()), languages, shape.vocabulary_size)
        model = train_model(rows, tokenizer, steps, seed, log, shape)
        with quiet(), whole_folder(folder) as partial:
            model.save_pretrained(partial)
            tokenizer.save_pretrained(partial)
            (partial / _SETTINGS).write_text(json.dumps({"languages": languages}) + "\n", encoding="utf-8")
        return cls.load(folder)

    @classmethod
    def load(cls, folder: str | Path) -> SmallTranslator:
        """Load what ``train`` kept.

        Raises:
            ValueError: the folder holds no such translator, or a damaged one.
        """
        from transformers import M2M100ForConditionalGeneration, PreTrainedTokenizerFast

        folder = Path(folder)
        if not (folder / _SETTINGS).is_file():
            raise ValueError(f"{folder} holds no small translator: train one there (SmallTranslator.train)")
        try:
            languages = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))["languages"]
            with quiet():
                model = M2M100ForConditionalGeneration.from_pretrained(folder)
                model.to(default_device())  # pyright: ignore[reportArgumentType] (typed as a decorator of transformers)
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        except Exception as error:  # the readers of weights and of tokenizers each have errors of their own
            raise ValueError(
                f"{folder} is damaged ({error!r:.80}): delete it; it is trained again when asked for"
            ) from error
        return cls(model, tokenizer, languages, f"small@{folder_version(folder)}")

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translations in the order of the texts; see ``Translator``."""
        return translate_distinct(texts, source, target, lambda distinct: self._translate(distinct, source, target))

    def _translate(self, texts: list[str], source: str, target: str) -> list[str]:
        for tag in (source, target):
            if tag not in self.languages:
                raise ValueError(f"{self.name} does not know {tag!r}: it was trained on {', '.join(self.languages)}")
        first = token_id(self._tokenizer, target_token(target))
        return self._generator.translate(texts, target, lambda text: encode_for(self._tokenizer, text, target), first)


def small_translator(
    parallel: Iterable[Mapping],
    languages: Sequence[str],
    steps: int = 400,
    seed: int = 0,
    log: Log = print,
    folder: str | Path | None = None,
    shape: SmallModel | None = None,
) -> SmallTranslator:
    """The small translator of parallel text, trained at the first call and kept: by its texts, settings, code and libraries.

    Args:
        parallel, languages, steps, seed, log, shape: as in ``SmallTranslator.train``.
        folder: where translators are kept; ``None``: ``data/cache/translators`` in the project.

    Raises:
        ValueError: whatever ``SmallTranslator.train`` refuses.
    """
    languages = _checked(languages)
    shape = shape or SmallModel()
    rows = [{"texts": {tag: row["texts"][tag] for tag in languages if tag in row["texts"]}} for row in parallel]
    key = fingerprint([rows, languages, steps, seed, asdict(shape), code_fingerprint("kit.augment.small"), versions()])
    place = Path(folder or cache() / "translators") / f"small-{key}"
    with alone(place):
        if not (place / _SETTINGS).is_file():
            SmallTranslator.train(rows, languages, place, steps, seed, log, shape)
    return SmallTranslator.load(place)


def _checked(languages: Sequence[str]) -> list[str]:
    """The languages, sorted, each once."""
    if isinstance(languages, str) or len(set(languages)) < 2:
        raise ValueError(f"languages is {languages!r}: give at least two")
    if strange := [language for language in languages if not is_tag(language)]:
        raise ValueError(f"languages: {strange[0]!r} is no tag: write a BCP 47 tag such as 'de'")
    return sorted(set(languages))
