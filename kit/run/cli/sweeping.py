"""Many recipes, or many runs, by one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.core.printing import say
from kit.run.cli.arguments import add_engine_options, add_settings, engine_of, pairs_of

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to those of the command line."""
    sweep = commands.add_parser(
        "sweep",
        help="train every combination of values: choose a recipe, or make a run of each",
        description="Train all samplings with every combination of values. Without notebooks, print the validation score, "
        "averaged over samplings and seeds, so that a recipe is chosen before their differences are seen. With notebooks, "
        "such as 03 04, each combination is a run of its own in reports/, and the test scores of all end in one table. "
        "What is done is not done again: the same command goes on.",
    )
    sweep.add_argument("notebooks", nargs="*", metavar="NN", help="numbers of notebooks (default: none, trainings only)")
    add_settings(sweep, "a value to try; a parameter that is given several times is combined with all others")
    add_engine_options(sweep)
    sweep.set_defaults(function=do_sweep)


def do_sweep(parsed: argparse.Namespace) -> None:
    """Compare recipes on held-out questions, or make a run of each."""
    from kit.core.engines.engine import choose
    from kit.core.processes import JobError
    from kit.run.engines import sweeping

    choices = sweeping.combinations(pairs_of(parsed))
    try:
        with choose(engine_of(parsed)):
            if parsed.notebooks:
                say(f"\n{sweeping.sweep(sweeping.runs_of(parsed.profile, choices, tuple(parsed.notebooks)))!r}")
            else:
                _choose(parsed.profile, choices)
    except JobError as error:
        raise JobError(f"{error}\ngo on with: {parsed.command}") from None


def _choose(profile: str, choices: list[dict[str, str]]) -> None:
    """Print the validation score of each choice, and the best."""
    from kit.run import pipeline, profiles

    tried = [profiles.settings_of(profile, choice) for choice in choices]
    pipeline.train_missing(tried)
    scores = []
    for choice, settings in zip(choices, tried):
        scores.append(pipeline.recipe_score(settings))
        say(f"score {scores[-1]:.4f}  {' '.join(f'{name}={value}' for name, value in _varied(choice, choices))}")
    best = choices[max(range(len(scores)), key=scores.__getitem__)]
    if len(choices) > 1:
        say(" ".join(["best:", *(f"-p {name}={value}" for name, value in _varied(best, choices))]))


def _varied(choice: dict[str, str], choices: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in choice.items() if len({one[name] for one in choices}) > 1]
