"""``python -m kit data``: what public sets there are, getting them, their licences, and whether what is here is whole."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kit.core.printing import Table, say

if TYPE_CHECKING:
    import argparse

    from kit.data.hub.manifest import Entry


def add(commands: argparse._SubParsersAction) -> None:
    """The command and its steps."""
    data = commands.add_parser(
        "data",
        help="public data sets: list them, get them, check them, read their licences",
        description="The sets of data/hub.yaml. What is got lies in data/hub/<set> and is read as hub:<set> wherever a "
        "source is asked for. HF_HUB_OFFLINE=1 never calls out.",
    )
    steps = data.add_subparsers(required=True, metavar="list | get | verify | licence")
    listing = steps.add_parser("list", help="all sets, and which are here", description="Show the sets.")
    listing.set_defaults(function=_list)
    get = steps.add_parser(
        "get",
        help="download sets, check them, make them ready to be read",
        description="Show the licences, download what is not here, check sizes, checksums, columns and rows, and convert. "
        "It may be interrupted: the same command goes on.",
    )
    get.add_argument("sets", metavar="SET", nargs="*", help="a name of the list")
    get.add_argument("--profile", metavar="NAME", help="the sets that a profile reads, in its languages, in place of SET")
    get.add_argument("--languages", metavar="TAGS", help="only these, such as de,sw; for bitext pairs, such as de-en")
    get.add_argument("--yes", action="store_true", help="agree to a licence that allows no commercial use")
    get.set_defaults(function=_get)
    verify = steps.add_parser(
        "verify", help="read what is here again and compare checksums", description="Compare all files with their checksums."
    )
    verify.add_argument("set", metavar="SET", nargs="?", help="a name of the list (default: all that are here)")
    verify.set_defaults(function=_verify)
    licence = steps.add_parser("licence", help="licence, home and authors of a set", description="Show a set's licence.")
    licence.add_argument("sets", metavar="SET", nargs="+", help="a name of the list")
    licence.set_defaults(function=_licence)


def _list(parsed: argparse.Namespace) -> None:
    from kit.data.hub.manifest import sets

    say(repr(Table([_line(one) for one in sets().values()])))
    say("\nNC: no commercial use. not pinned: its files may change; the commit that came is kept. More: data licence SET")


def _line(one: Entry) -> dict[str, object]:
    from kit.data.hub.record import Record

    n_bytes = sum(int(told.get("bytes", 0)) for told in one.sums.values())
    here = Record.read(one.id).n_bytes()
    return {
        "set": one.id,
        "what it is": one.what,
        "languages": _listed(one),
        "licence": _short(one.licence) + (" NC" if one.is_noncommercial else ""),
        "size": _size(n_bytes) if n_bytes else "",
        "here": _size(here) if here else "",
        "pinned": "not pinned" if one.not_pinned else "",
        "read as": one.read_as or f"hub:{one.id}",
    }


def _short(licence: str, most: int = 24) -> str:
    """The first words of it."""
    words = licence.partition(";")[0].partition(",")[0]
    return words if len(words) <= most else f"{words[:most].rpartition(' ')[0]} …"


def _listed(one: Entry) -> str:
    names = list(one.languages)
    return ",".join(names) if len(names) <= 4 else f"{len(names)}: {','.join(names[:3])} …"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:,.1f} GiB" if n_bytes >= 2**30 / 10 else f"{n_bytes / 2**20:,.1f} MiB"


def _licence(parsed: argparse.Namespace) -> None:
    from kit.data.hub.manifest import entry

    for one in [entry(name) for name in parsed.sets]:
        _show(one)


def _show(one: Entry) -> None:
    """Licence, home and authors of a set."""
    say(f"{one.id}: {one.what}")
    say(f"licence: {one.licence}{' (NON-COMMERCIAL USE ONLY)' if one.is_noncommercial else ''}")
    say(f"citation: {one.citation}")
    for home in one.homes:
        loose = " (NOT PINNED: may change; what came is recorded)" if home in one.not_pinned else " (of known checksums)"
        mark = "" if home.is_pinned else loose
        say(f"home: {home.kind}:{home.name}{f' at {home.revision}' if home.revision else ''}{mark}")
    if one.unchecked:
        say(f"not checked yet: {one.unchecked}")


def _get(parsed: argparse.Namespace) -> None:
    from kit.data.hub.getting import chosen_languages, get
    from kit.data.hub.manifest import entry

    wanted = [(entry(name), languages) for name, languages in _asked_for(parsed).items()]
    for one, languages in wanted:
        chosen_languages(one, languages)
    for one, _ in wanted:
        _show(one)
    limited = [one.id for one, _ in wanted if one.is_noncommercial]
    if limited and not parsed.yes:
        _agree(limited)
    for one, languages in wanted:
        get(one.id, languages)
        say(f"{one.id} is ready: {one.read_as or f'hub:{one.id}'}")


def _asked_for(parsed: argparse.Namespace) -> dict[str, list[str] | None]:
    """Sets by id, with the languages of each; ``None``: all."""
    from kit.data.hub.wanted import sets_of
    from kit.run.profiles import parameters_of

    if bool(parsed.sets) == bool(parsed.profile):
        raise ValueError("data get: give sets, or --profile NAME, one of the two (python -m kit data list shows the sets)")
    languages = parsed.languages.split(",") if parsed.languages else None
    if parsed.sets:
        return dict.fromkeys(parsed.sets, languages)
    if languages:
        raise ValueError("data get: a profile names its languages itself: leave out --languages, or give sets")
    said = parameters_of(parsed.profile, {}).values()
    texts = [text for value in said for text in (value if isinstance(value, tuple) else (value,))]
    found, strangers = sets_of(text for text in texts if isinstance(text, str))
    for source in strangers:
        say(f"{source}: of no public set: its files are for you to bring")
    if not found:
        raise ValueError(f"profile {parsed.profile!r} reads no public set: there is nothing to get for it")
    return found


def _agree(limited: list[str]) -> None:
    sets = f"{'sets' if len(limited) > 1 else 'set'} {', '.join(map(repr, limited))}"
    if not sys.stdin.isatty():
        raise ValueError(f"{sets}: licensed for no commercial use: agree to it with --yes")
    if input(f"Use {sets} for non-commercial purposes only? Type yes: ").strip().lower() != "yes":
        raise ValueError(f"{sets}: not downloaded, since you do not agree to the licence")


def _verify(parsed: argparse.Namespace) -> None:
    from kit.data.hub.getting import command, forget, verify
    from kit.data.hub.manifest import entry

    n_files, n_shards, tables, damaged = 0, 0, set(), []
    for set_id, name, problem in verify(parsed.set):
        n_files += name.startswith("files/")
        if name.startswith("tables/"):
            n_shards += 1
            tables.add((set_id, name.rpartition("/")[0]))
        if problem:
            damaged.append(set_id)
            say(f"{set_id}: {name}: {problem}")
            forget(set_id, name)
    if damaged:
        again = ", ".join(command(entry(set_id)) for set_id in dict.fromkeys(damaged))
        raise ValueError(f"{len(damaged)} of {n_files + n_shards} files are damaged and taken away: get them again: {again}")
    say(f"{n_files} files are as they came, {len(tables)} tables as they were made of them")
