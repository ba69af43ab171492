"""What a training run went through, as a file: apart from the trainer, whose imports take seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from kit.core.files import refuse_damaged, seal, whole_file

MEDIAN, ANSWER = "median rank ", "answer rank "
"""Begin the names of two scores a language: the median rank, over the validation questions, of the version of the answer in
that language, and the rank of that version for one question (``kit.run.jobs.watched_query``)."""


def headline(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores without those of single languages."""
    return {name: value for name, value in scores.items() if not name.startswith((MEDIAN, ANSWER))}


@dataclass(frozen=True)
class History:
    """What a training run went through.

    loss: (update, training loss averaged since the entry before).
    scores: (update, validation scores).
    """

    loss: list[tuple[int, float]]
    scores: list[tuple[int, dict[str, float]]]

    def write(self, path: Path) -> None:
        """Write as JSON, with a checksum beside it."""
        with whole_file(path) as partial:
            partial.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        seal(path)

    @classmethod
    def read(cls, path: Path) -> History:
        """Read what ``write`` wrote.

        Raises:
            ValueError: it is not there, or not as it was written.
        """
        refuse_damaged(path)
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls([tuple(entry) for entry in content["loss"]], [tuple(entry) for entry in content["scores"]])
