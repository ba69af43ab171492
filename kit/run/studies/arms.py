"""The arms of a study: trained with one budget, judged on the same tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from kit.compare.results import Results
from kit.core.printing import say
from kit.data.corpus import RetrievalTask
from kit.run import pipeline
from kit.run.settings import Settings

Log = Callable[[str], None]

_BUDGET = ("updates", "batch_size", "seeds", "encoder", "dimension")
"""Settings that the arms of a study share."""


def run_arms(arms: Mapping[str, Settings], tests: Sequence[str], log: Log = say) -> dict[str, Results]:
    """Train every arm with every seed and judge all of them on every test; what was done before is in the cache.

    Args:
        arms: by name, settings with one sampling each; ``test`` is not read.
        tests: sources of tasks (``kit.data.registry``).

    Returns:
        By test, results whose models are the arms.

    Raises:
        ValueError: no arm; an arm with several samplings; arms of different budgets (updates, rows a batch, seeds, encoder).
    """
    if not arms or not tests:
        raise ValueError(f"{len(arms)} arms and {len(tests)} tests: give at least one of each")
    check_arms(arms)
    pipeline.evaluate_missing([settings.changed(test=test) for test in tests for settings in arms.values()], log)
    return {
        test: Results({name: pipeline.evaluate_runs(settings.changed(test=test), log) for name, settings in arms.items()})
        for test in tests
    }


def check_arms(arms: Mapping[str, Settings]) -> None:
    """Refuse arms that cannot be compared.

    Raises:
        ValueError: an arm with several samplings; arms of different budgets (updates, rows a batch, seeds, encoder).
    """
    for name, settings in arms.items():
        if len(settings.samplings) != 1:
            raise ValueError(f"arm {name!r} has samplings {', '.join(settings.samplings)}: give each arm one")
    for field in _BUDGET:
        values = {name: settings.flat()[field] for name, settings in arms.items()}
        if len(set(values.values())) > 1:
            raise ValueError(f"arms differ in {field}: {values}: compare arms of one budget, or make two studies")


def asked_languages(task: RetrievalTask) -> list[str]:
    """Languages in which a task has questions, sorted."""
    return sorted(set(task.queries.column("language").to_pylist()))


def check_languages(there: Mapping[str, Iterable[str]], wanted: str, why: str) -> None:
    """Refuse data without a language that a study needs, before anything is made or trained.

    Args:
        there: by source, its languages.
        wanted: the tag of the language.
        why: what the study needs it for, and what to give instead; ends the message.

    Raises:
        ValueError: a source lacks it.
    """
    for source, languages in there.items():
        if wanted not in languages:
            raise ValueError(f"{source} has {', '.join(sorted(languages)) or 'no language'} and not {wanted}: {why}")
