"""Any translation model of transformers: NLLB, M2M100 and mBART (one model for all pairs), Opus-MT (one for some pairs).

From BCP 47 tags to the language codes of a model, derived from the codes themselves and from CLDR's likely subtags.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kit.augment.generation import Generator, default_device
from kit.augment.translator import translate_distinct
from kit.core.files import folder_version, quiet
from kit.core.languages import language_name, language_tag

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_LANGUAGE_TOKENS = re.compile(r"__([a-z]{2,3})__|([a-z]{3}_[A-Z][a-z]{3})|([a-z]{2}_[A-Z]{2})")
"""Special tokens that name a language: ``__de__`` of M2M100, ``deu_Latn`` of NLLB, ``de_DE`` of mBART."""

_TARGET_TOKEN = re.compile(r">>(.+)<<")
_PAIR_IN_NAME = re.compile(r"-([A-Za-z_]+)-([A-Za-z_]+)$")


class HuggingFaceTranslator:
    """A translation model by name on the hub or by folder.

    The languages are read from the tokenizer: its special tokens (NLLB, M2M100, mBART), or its ``>>xxx<<`` tokens and the
    two codes of an Opus-MT model, which it stores or has in its name (``opus-mt-en-de``). An Opus-MT model whose source code
    names a family (``mul``, ``ROMANCE``) is taken to know every source language, since it lists none.

    Texts longer than ``max_tokens`` are cut at sentence ends and joined again; nothing is cut off. Models that were trained
    on single sentences, as NLLB was, tend to leave out sentences of a long input: a small ``max_tokens`` suits them better.
    A translation that comes to no end after ``2 * max_tokens`` tokens is kept and warned of.

    Args:
        name_or_folder: such as ``facebook/nllb-200-distilled-600M`` (its licence: CC BY-NC), or a folder with a model.
        batch_size: pieces translated at a time.
        max_tokens: longest input, special tokens included, from 8 to the number of positions of the model.
        num_beams: 1 is greedy search.
        device: of torch; ``None``: a GPU where there is one.

    Raises:
        ValueError: nothing can be loaded under that name, it names no languages, or a number is out of range.
    """

    def __init__(
        self, name_or_folder: str, batch_size: int = 16, max_tokens: int = 256, num_beams: int = 1, device: str | None = None
    ) -> None:
        self._model, self._tokenizer = _load(str(name_or_folder), device or default_device())
        short = Path(name_or_folder).name
        # The number of pieces in a batch changes nothing but speed and is no part of the name.
        self.name = f"{short}@{_version(str(name_or_folder), self._model)}, beams {num_beams}, tokens {max_tokens}"
        self._generator = Generator(self._model, self._tokenizer, batch_size, max_tokens, num_beams)
        special = {} if _is_opus(self._tokenizer) else _language_tokens(self._tokenizer)
        if _is_opus(self._tokenizer):
            self._pair = _opus_pair(short, self._tokenizer)
            tokens = [found[1] for token in self._tokenizer.get_vocab() if (found := _TARGET_TOKEN.fullmatch(token))]
            self._targets = Codes(tokens, short)
        elif special:
            self._tokens, self._codes = special, Codes(special, short)
        else:
            raise ValueError(f"{name_or_folder} names no languages in its tokenizer: use NLLB, M2M100, mBART or Opus-MT")

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translations in the order of the texts; see ``Translator``."""
        return translate_distinct(texts, source, target, lambda distinct: self._translate(distinct, source, target))

    def _translate(self, texts: list[str], source: str, target: str) -> list[str]:
        encode, forced_bos = (self._ask_opus if _is_opus(self._tokenizer) else self._ask)(source, target)
        return self._generator.translate(texts, target, encode, forced_bos)

    def _ask(self, source: str, target: str) -> tuple[Callable[[str], list[int]], int]:
        """How NLLB, M2M100 and mBART are asked: the source in the input, the target as first token of the output."""
        source_code, target_code = self._codes.find(source), self._codes.find(target)

        def encode(text: str) -> list[int]:
            self._tokenizer.src_lang = source_code
            return self._tokenizer(text)["input_ids"]

        first = self._tokenizer.convert_tokens_to_ids(self._tokens[target_code])
        assert isinstance(first, int)
        return encode, first

    def _ask_opus(self, source: str, target: str) -> tuple[Callable[[str], list[int]], None]:
        """How Opus-MT is asked: the target as first token of the input, if the model has more than one."""
        source_code, target_code = self._pair
        if _is_language(source_code):
            Codes([source_code], f"{self._targets.model} (as source)").find(source)
        if len(self._targets):
            prefix = f">>{self._targets.find(target)}<< "
        else:
            Codes([target_code], f"{self._targets.model} (as target)").find(target)
            prefix = ""
        return lambda text: self._tokenizer(prefix + text)["input_ids"], None


def _load(name: str, device: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(name)
            model = AutoModelForSeq2SeqLM.from_pretrained(name).to(device).eval()
    except (OSError, ValueError, ImportError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ValueError(
            f"translator {name!r} cannot be loaded ({reason}): give the folder of an encoder-decoder, or a name on the hub "
            "(which needs a network)"
        ) from error
    return model, tokenizer


def _version(name: str, model: PreTrainedModel) -> str:
    """Twelve digits of the hub's revision, or of a hash of the bytes of a folder."""
    folder = Path(name)
    if not folder.is_dir():
        return str(getattr(model.config, "_commit_hash", None) or "unknown")[:12]
    return folder_version(folder)


def _is_opus(tokenizer: PreTrainedTokenizerBase) -> bool:
    return hasattr(tokenizer, "supported_language_codes")


def _language_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """Code of each language (as ``src_lang`` takes it) and its token."""
    # M2M100 keeps a table of its own: its tokens are special ones in some versions of the model's files only.
    found = ((_LANGUAGE_TOKENS.fullmatch(token), token) for token in tokenizer.all_special_tokens)
    special = {next(filter(None, match.groups())): token for match, token in found if match}
    return special | getattr(tokenizer, "lang_code_to_token", {})


def _opus_pair(name: str, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    source, target = getattr(tokenizer, "source_lang", None), getattr(tokenizer, "target_lang", None)
    if source and target:
        return str(source), str(target)
    match = _PAIR_IN_NAME.search(name)
    if not match:
        raise ValueError(
            f"{name}: neither its tokenizer nor its name says the languages: call the folder opus-mt-<source>-<target>"
        )
    return match[1], match[2]


def _is_language(code: str) -> bool:
    """Whether CLDR knows a script of it; it knows none of a family of languages."""
    try:
        return bool(subtags(code)[1])
    except ValueError:
        return False


_SAME_LANGUAGE = {"ns": "nso", "no": "nb"}
"""What CLDR does not say: M2M100 calls Northern Sotho ``ns``, and Norwegian without more is Bokmål."""

_SAME_SCRIPT = {"Hang": "Kore"}
"""NLLB says that Korean is written in Hangul, CLDR in the Korean mixture of Hangul and Han."""


@cache
def subtags(code: str) -> tuple[str, str, str]:
    """Language, script and region of a code, completed from CLDR; empty where CLDR knows none.

    ISO 639-1 and 639-3, FLORES (``deu_Latn``), mBART (``de_DE``) and Opus codes all lead to the same subtags.

    Raises:
        ValueError: the code is none of these.

    >>> subtags("de"), subtags("deu_Latn"), subtags("zh-TW"), subtags("prs_Arab")
    (('de', 'Latn', 'DE'), ('de', 'Latn', 'DE'), ('zh', 'Hant', 'TW'), ('fa', 'Arab', 'AF'))
    """
    from babel.core import get_global

    code = _SAME_LANGUAGE.get(code, code)
    language, script, region = _parts(language_tag(code))
    first = code.replace("_", "-").split("-")[0].lower()
    other, other_script, other_region = _parts(get_global("language_aliases").get(first, ""))
    if other_script or other_region:  # prs is fa_AF, sh is sr_Latn
        language, script, region = other, script or other_script, region or other_region
    likely = get_global("likely_subtags")
    known = [
        likely[key]
        for key in ("_".join(filter(None, parts)) for parts in ((language, script, region), (language, script), (language,)))
        if key in likely
    ]
    _, likely_script, likely_region = _parts(known[0]) if known else ("", "", "")
    script = script or likely_script
    return language, _SAME_SCRIPT.get(script, script), region or likely_region


def _parts(tag: str) -> tuple[str, str, str]:
    parts = tag.replace("_", "-").split("-")
    script = next((part for part in parts[1:] if len(part) == 4), "")
    region = next((part for part in parts[1:] if len(part) in (2, 3)), "")
    return parts[0], script, region


class Codes:
    """The languages that a model knows, by its own codes.

    A tag finds a code of the same language and script (likely ones where a tag or code names none); among several, that of
    the same region, then one that is no outdated name of another, then the first. A region alone decides nothing: ``pt-BR``
    finds ``por_Latn``. A script does: ``zh-Hant`` does not find ``zh``.

    codes: as the model spells them; what is no language code is left out.
    model: what the model is called in errors.
    """

    def __init__(self, codes: Iterable[str], model: str) -> None:
        self.model = model
        self._subtags: dict[str, tuple[str, str, str]] = {}
        for code in codes:
            try:
                self._subtags[code] = subtags(code)
            except ValueError:  # Opus has tokens such as >>x-klingon<< that name no language
                continue

    def __len__(self) -> int:
        return len(self._subtags)

    def __iter__(self) -> Iterator[str]:
        return iter(self._subtags)

    def find(self, tag: str) -> str:
        """The model's code of a language.

        Raises:
            ValueError: the model does not know the language; lists near choices.

        >>> codes = Codes(["deu_Latn", "zho_Hans", "zho_Hant", "prs_Arab", "pes_Arab"], "mine")
        >>> [codes.find(tag) for tag in ("de", "zh", "zh-TW", "fa", "fa-AF")]
        ['deu_Latn', 'zho_Hans', 'zho_Hant', 'pes_Arab', 'prs_Arab']
        """
        language, script, region = subtags(tag)
        fitting = [code for code, found in self._subtags.items() if found[:2] == (language, script)]
        if not fitting:
            raise ValueError(f"{self.model} does not know {tag!r} ({language_name(tag)}): {self._near(tag)}")
        return min(fitting, key=lambda code: (self._subtags[code][2] != region, _is_outdated(code)))

    def _near(self, tag: str) -> str:
        """Same language in another script, then tags and English names that look alike; at most six."""
        language = subtags(tag)[0]
        near = [code for code, found in self._subtags.items() if found[0] == language]
        names = {language_name(found[0]).lower(): code for code, found in self._subtags.items()}
        near += [names[name] for name in difflib.get_close_matches(language_name(tag).lower(), names, n=4, cutoff=0.7)]
        near += difflib.get_close_matches(tag, list(self._subtags), n=4, cutoff=0.5)
        listed = list(dict.fromkeys(near))[:6] or sorted(self._subtags)[:6]
        return f"choose a model that does; near choices of its {len(self)} codes: {', '.join(listed)}"


def _is_outdated(code: str) -> bool:
    """Whether CLDR has the code's language under another three-letter name (``ajp`` is now ``apc``)."""
    from babel.core import get_global

    language = code.replace("_", "-").split("-")[0]
    return len(get_global("language_aliases").get(language, "").partition("_")[0]) == 3
