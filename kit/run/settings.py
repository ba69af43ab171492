"""The settings of an experiment: one frozen recipe, composed of the parts that data, encoder, trainer and studies take.

On the command line, in profiles and in the parameters cell of a notebook the settings are flat: ``updates``, not
``training.updates``. ``Settings().changed(**flat)`` and ``settings.flat()`` are the two ways of the one mapping.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, field_validator

from kit.core import paths
from kit.core.configs import ONCE, Config, Text, Texts
from kit.core.fingerprints import fingerprint
from kit.train.config import EncoderConfig, TrainingConfig

Shares = Annotated[tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...], ONCE]


class DataConfig(Config):
    """Sources (``kit.data.registry``).

    train: of the training data, mixed by size.
    validation: of the task that is scored while a model learns, and stops it early; empty: a part of the first source of
        ``train``, which is then held out (Atlas has questions of its own for it).
    test: of the evaluation task.
    tests: of the tasks that a study judges on beside it, or instead.
    """

    train: Texts = ("atlas",)
    validation: str = ""
    test: Text = "atlas"
    tests: Texts = ("atlas",)

    def sources(self) -> tuple[str, ...]:
        """What a training and its evaluation read."""
        return (*self.train, *filter(None, [self.validation]), self.test)


class MixtureConfig(Config):
    """What study 06 varies.

    alphas: shares of monolingual batches.
    batch_sizes, temperatures: circumstances in which they are compared.
    """

    alphas: Shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    batch_sizes: Annotated[tuple[Annotated[int, Field(ge=2, le=2**31)], ...], ONCE] = (50,)
    temperatures: Annotated[tuple[Annotated[float, Field(ge=1e-4, le=100.0)], ...], ONCE] = (0.05,)


class DomainsConfig(Config):
    """What study 07 adds and leaves out.

    domains: sources of pairs of other domains.
    """

    domains: Texts = ("atlas?domains=currency&languages=en",)


class SyntheticConfig(Config):
    """What study 08 varies.

    shares: of synthetic groups.
    parallel: sources of parallel text, which translators and lexicons are made from; translators (``kit.augment.quality``).
    """

    shares: Shares = (0.0, 0.5, 1.0)
    parallel: Texts = ("atlas",)


class MiningConfig(Config):
    """What study 09 judges on.

    bitexts: sources of mining tasks.
    """

    bitexts: Texts = ("atlas?pair=de-en",)


class Settings(Config):
    """What an experiment does; the defaults are the small run.

    run: name of the folder under ``reports/``.
    samplings: ways to build batches that are compared (``kit.train.samplers``).
    seeds: one training run for each sampling and seed.
    data, encoder, training: what each sampling is trained and judged on, and how.
    mixture, domains, synthetic, mining: what studies vary.

    Raises:
        ValueError: an unknown name, a value of the wrong type or out of range, an empty list, an entry twice in a list.

    >>> Settings().changed(updates=50).training.updates
    50
    """

    run: str = "smoke"
    samplings: Texts = ("X-X-mono", "X-Y", "Hybrid")
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, le=2**32 - 1)], ...], ONCE] = (0,)
    data: DataConfig = DataConfig()
    encoder: EncoderConfig = EncoderConfig()
    training: TrainingConfig = TrainingConfig(updates=200, learning_rate=0.4, temperature=0.1, evaluations=4)
    mixture: MixtureConfig = MixtureConfig()
    domains: DomainsConfig = DomainsConfig()
    synthetic: SyntheticConfig = SyntheticConfig()
    mining: MiningConfig = MiningConfig()

    @field_validator("run")
    @classmethod
    def _is_a_folder(cls, run: str) -> str:
        if not paths.is_run_name(run):
            raise ValueError(paths.RUN_NAMES)
        return run

    @classmethod
    def collect(cls, namespace: Mapping[str, Any]) -> Settings:
        """Settings from a notebook's variables: every flat name that is there; defaults for the others.

        >>> Settings.collect({"updates": 50, "unrelated": None}).training.updates
        50
        """
        return cls().changed(**{name: namespace[name] for name in FLAT if name in namespace})

    def changed(self, **flat: Any) -> Self:
        """The same with other values, by their flat names.

        Raises:
            ValueError: an unknown name, or a value that does not fit.
        """
        parts: dict[str, dict[str, Any]] = {}
        for name, value in flat.items():
            if name not in FLAT:
                raise ValueError(f"{name!r} is unknown: choose from {', '.join(FLAT)}")
            part, field = FLAT[name]
            parts.setdefault(part, {})[field] = value
        values = {name: getattr(self, name) for name in type(self).model_fields} | parts.pop("", {})
        for part, changes in parts.items():
            try:
                values[part] = values[part].changed(**changes)
            except ValueError as error:  # on the command line the name of an encoder is called encoder
                raise ValueError(re.sub("^name is", f"{part} is", str(error))) from None
        return type(self)(**values)

    def flat(self) -> dict[str, Any]:
        """All values by their flat names; lists are tuples."""
        return {name: getattr(getattr(self, part) if part else self, field) for name, (part, field) in FLAT.items()}

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with every setting."""
        return fingerprint(self.flat())


def _flat_names() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for part, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Config):
            names = {
                ("encoder" if (part, inner) == ("encoder", "name") else inner): inner
                for inner in field.annotation.model_fields
            }
        else:
            part, names = "", {part: part}
        for name, inner in names.items():
            assert name not in found, f"two settings are called {name}"
            found[name] = (part, inner)
    return found


FLAT: dict[str, tuple[str, str]] = _flat_names()
"""Flat name -> part (the empty text: the settings themselves) and field."""
