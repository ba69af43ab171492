"""Translating any number of texts of any length with an encoder-decoder of transformers.

Cutting a long text into pieces that fit a model, at the ends of sentences, and joining the translations again.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Generator:
    """An encoder-decoder and how it is asked.

    batch_size: pieces translated at a time.
    max_tokens: longest input of the model, special tokens included; longer texts are cut into pieces. A translation may have
        twice as many, or as many as the model has positions for.
    num_beams: 1 is greedy search.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    batch_size: int
    max_tokens: int
    num_beams: int

    def __post_init__(self) -> None:
        for name, lowest in (("batch_size", 1), ("max_tokens", 8), ("num_beams", 1)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}: choose at least {lowest}")
        if self.max_tokens > self.n_positions:
            raise ValueError(
                f"max_tokens is {self.max_tokens}: the model has {self.n_positions} positions: choose at most that"
            )

    @property
    def n_positions(self) -> int:
        """Longest input and output that the model was made for, in tokens."""
        return getattr(self.model.config, "max_position_embeddings", None) or 512

    def translate(
        self, texts: Sequence[str], target: str, encode: Callable[[str], list[int]], forced_bos: int | None = None
    ) -> list[str]:
        """Translations of texts that are not blank, in their order; warns of translations that came to no end.

        Args:
            target: tag of the language, which says whether sentences are joined with spaces.
            encode: ids of a text with all special tokens.
            forced_bos: id of the token that the translation starts with, if the model wants one.
        """

        def fits(piece: str) -> bool:
            return len(encode(piece.strip())) <= self.max_tokens

        pieces = [[piece for piece in cut(text, fits) if piece.strip()] for text in texts]
        waiting = list(dict.fromkeys(piece.strip() for of_text in pieces for piece in of_text))
        ids = {piece: encode(piece) for piece in waiting}
        waiting.sort(key=lambda piece: len(ids[piece]), reverse=True)  # a lack of memory shows in the first batch
        found: dict[str, str] = {}
        n_unfinished = 0
        for batch in _batches(waiting, self.batch_size):
            translated, unfinished = self._generate([ids[piece] for piece in batch], forced_bos)
            found.update(zip(batch, translated))
            n_unfinished += unfinished
        if n_unfinished:
            warnings.warn(
                f"{n_unfinished} of {len(waiting)} translations into {target!r} stop at {self._longest} tokens without an "
                "end: they may repeat themselves or lack words; filter them (kit.augment.filters) or choose a smaller "
                "max_tokens",
                stacklevel=2,
            )
        return [join([found[piece.strip()] for piece in of_text], of_text, target) for of_text in pieces]

    @property
    def _longest(self) -> int:
        return min(2 * self.max_tokens, self.n_positions - 1)  # the decoder's start token has a position too

    def _generate(self, ids: list[list[int]], forced_bos: int | None) -> tuple[list[str], int]:
        """Translations of a batch, and how many of them came to no end."""
        import torch

        pad = self.tokenizer.pad_token_id
        width = max(map(len, ids))
        inputs = torch.tensor([row + [pad] * (width - len(row)) for row in ids])  # (batch, tokens)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])  # (batch, tokens)
        special = {} if forced_bos is None else {"forced_bos_token_id": forced_bos}
        generate = cast("Callable[..., torch.Tensor]", self.model.generate)
        with torch.inference_mode():
            output = generate(
                input_ids=inputs.to(self.model.device),
                attention_mask=mask.to(self.model.device),
                num_beams=self.num_beams,
                do_sample=False,
                max_new_tokens=self._longest,
                max_length=None,  # models bring one of their own
                **special,
            ).cpu()  # (batch, tokens)
        generated = output[:, 1:]  # (batch, tokens) the first token starts the decoder and may be the end token itself
        # Opus-MT is made to end at the last token; an end there may be no end of the translation.
        ended = (generated[:, : self._longest - 1] == cast("int", self.tokenizer.eos_token_id)).any(dim=1)  # (batch,)
        n_unfinished = int((~ended).sum()) if generated.shape[1] == self._longest else 0
        output = generated if forced_bos is None else generated[:, 1:]  # the language is no text
        return self.tokenizer.batch_decode(output, skip_special_tokens=True), n_unfinished


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def default_device() -> str:
    """A GPU where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


_CLOSING = "[\"'”’»)\\]）」』]*"
_ENDS = (
    re.compile(r"\n+"),
    # A mark of a script with spaces ends a sentence only before a space: 3.5 and example.org stay whole.
    re.compile(rf"[.!?…؟۔।॥።។]+{_CLOSING}\s+|[。！？]+{_CLOSING}\s*"),
    re.compile(r"[;:,،؛]\s+|[、，；：]\s*"),
    re.compile(r"\s+"),
)
"""Where a text may be cut, best first: paragraphs, sentences, clauses, words."""

NO_SPACE_BETWEEN_SENTENCES = {"zh", "yue", "ja"}


def cut(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Cut a text into as few pieces as follow its best cuts and fit; together they are the text, white space included.

    Paragraphs that do not fit are cut into sentences, these into clauses, these into words, and a word into halves; whatever
    fits together stays together. A text that fits is one piece.

    Args:
        fits: whether a piece is short enough; a piece of one character counts as fitting.

    >>> cut("One two. Three four. Five.", lambda piece: len(piece) <= 14)
    ['One two. ', 'Three four. ', 'Five.']
    """
    return _cut(text, fits, 0)


def _cut(text: str, fits: Callable[[str], bool], level: int) -> list[str]:
    if len(text) <= 1 or fits(text):
        return [text]
    if level == len(_ENDS):
        middle = len(text) // 2
        return _cut(text[:middle], fits, level) + _cut(text[middle:], fits, level)
    ends = [match.end() for match in _ENDS[level].finditer(text)]
    starts = [0, *(end for end in ends if end < len(text))]
    parts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)])]
    pieces: list[str] = []
    for part in parts:
        if pieces and fits(pieces[-1] + part):
            pieces[-1] += part
        else:
            pieces += _cut(part, fits, level + 1)
    return pieces


def join(translations: list[str], pieces: list[str], target: str) -> str:
    r"""Join the translations of a text's pieces: line breaks as in the source, else a space where the language has them.

    >>> join(["Eins.", "Zwei.", "Drei."], ["One.\n\n", "Two. ", "Three."], "de")
    'Eins.\n\nZwei. Drei.'
    """
    between = "" if target.partition("-")[0] in NO_SPACE_BETWEEN_SENTENCES else " "
    joined = ""
    for translation, piece in zip(translations, pieces):
        white = piece[len(piece.rstrip()) :]
        joined += translation.strip() + (white if "\n" in white else between)
    return joined.strip()
