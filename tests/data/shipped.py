"""Files of the public sets in miniature, at the homes, commits, paths and configurations that the manifest names."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from fake_hub import FakeHub, card, jsonl, packed, parquet, tarred, tsv, zipped

from kit.data.hub.getting import files_for
from kit.data.hub.manifest import Entry, File, Home, filled

Rows = Callable[[Entry, str], list[dict]]

_DOCUMENTS = range(2)


def _asked(entry: Entry, tag: str) -> dict:
    return {"topic_title": f"{entry.id} title?", "topic_description": "What is it?", "lang": "eng"}


_TABLES: dict[str, Rows] = {
    "corpus": lambda entry, tag: [{"_id": str(n), "title": "", "text": f"{tag} text {n}"} for n in _DOCUMENTS],
    "queries": lambda entry, tag: [{"_id": f"q{n}", "text": f"{tag} ask {n}?"} for n in range(2)],
    "qrels": lambda entry, tag: [{"query-id": "q0", "corpus-id": "1", "score": 1.0}],
}
_TREC: dict[str, Rows] = {
    "topics": lambda entry, tag: [{"qid": n, "query": f"{tag} ask {n}?"} for n in range(7, 9)],
    "qrels": lambda entry, tag: [{"qid": 7, "q0": "Q0", "docid": "1", "rel": 1}],
}
ROWS: dict[str, dict[str, Rows]] = {
    "mteb": _TABLES,
    "beir": _TABLES,
    "miracl": _TREC
    | {"corpus": lambda entry, tag: [{"docid": str(n), "title": "T", "text": f"{tag} {n}"} for n in _DOCUMENTS]},
    "mmarco": _TREC
    | {
        "corpus": lambda entry, tag: [{"id": str(n), "text": f"{tag} text\tof {n}"} for n in _DOCUMENTS],
        "triples": lambda entry, tag: [{"qid": 7, "positive": 1, "negative": 0}],
    },
    "neuclir": {
        "corpus": lambda entry, tag: [
            {"id": f"{tag}-{n}", "cc_file": "", "time": "", "title": "T", "text": f"{tag} {n}", "url": ""}
            for n in _DOCUMENTS
        ],
        "topics": lambda entry, tag: [{"topic_id": "7", "topics": [_asked(entry, tag)]}],
        "qrels": lambda entry, tag: [{"qid": 7, "q0": 0, "docid": f"{tag}-1", "rel": 3} for tag in entry.languages],
    },
    "squad": {
        "rows": lambda entry, tag: [
            {
                "id": f"{one}-7",
                "title": "t",
                "context": f"{one} text",
                "question": f"{one} ask?",
                "answers": {"text": ["text"]},
            }
            for one in entry.languages
        ],
    },
    "belebele": {
        "rows": lambda entry, tag: [
            {"link": "a", "question_number": n, "flores_passage": f"{tag} text", "question": f"{tag} {n}?"} for n in (1, 2)
        ],
    },
    "pairs": {
        "rows": lambda entry, tag: [
            {
                entry.columns.get("query", "query"): f"ask {n}?",
                entry.columns.get("passage", "passage"): [f"text {n}"] if entry.id == "entityquestions" else f"text {n}",
            }
            | dict(entry.only)
            for n in range(2)
        ],
    },
    "positives": {
        "rows": lambda entry, tag: [
            {"query_id": "7", "query": "ask?", "positive_passages": [{"docid": "1", "title": "T", "text": "text"}]}
            | {"negative_passages": [{"docid": "0", "title": "", "text": "another"}]}
        ],
    },
    "pages": {"rows": lambda entry, tag: [{"id": 7, "domain": "a.b", "qa_pairs": [{"question": "ask?", "answer": "text"}]}]},
    "bilingual": {"rows": lambda entry, tag: [{"question1": "a?", "answer1": "b", "question2": "c?", "answer2": "d"}]},
    "aligned": {
        "rows": lambda entry, tag: [{"sentence1": f"one {n}", "sentence2": f"two {n}", "lang": tag} for n in range(2)]
    },
    "listed": {"rows": lambda entry, tag: [{"sentence1": ["a", "b"], "sentence2": ["c", "d"], "gold": [[2, 1]]}]},
}
"""Rows of each role in each layout, with the columns that the sets have."""


def put(hub: FakeHub, entry: Entry, languages: Sequence[str]) -> None:
    """Put the files of some languages of a set, in all of its splits, where the manifest says they are."""
    archives: dict[tuple[Home, str], dict[str, bytes]] = {}
    files: dict[tuple[Home, str], bytes] = {}
    cards: dict[Home, dict[str, dict[str, str]]] = {}
    for tag in languages:
        for split in (one for one in entry.splits if tag not in entry.lacking.get(one, ())):
            for role, file in files_for(entry, tag, split).items():
                home, code = Home.parsed(file.home or entry.home), entry.languages[tag]
                rows = ROWS[entry.layout][role](entry, tag)
                path, member = (filled(text, code, split) for text in (file.path, file.member))
                if member:
                    archives.setdefault((home, path), {})[_top(home) + member.lstrip("*/").replace("*", "0")] = _written(
                        member, rows, file
                    )
                elif path:
                    files[home, path.replace("*", "0")] = _written(path, rows, file)
                else:
                    config, part = filled(file.config, code, split).partition("|")[0], filled(file.split, code, split)
                    files[home, f"{config}/{part}-00000-of-00001.parquet"] = parquet(rows)
                    cards.setdefault(home, {}).setdefault(config, {})[part] = f"{config}/{part}-*"
    files |= {(home, "README.md"): card(configs) for home, configs in cards.items()}
    packing = {".zip": zipped, "*": zipped}
    files |= {at: packing.get(PurePosixPath(at[1]).suffix or at[1], tarred)(found) for at, found in archives.items()}
    for home in {home for home, _ in files}:
        _serve(hub, home, {path: content for (one, path), content in files.items() if one == home})


def _top(home: Home) -> str:
    """The folder that GitHub's archives begin with."""
    return f"{home.name.partition('/')[2]}-{home.revision}/" if home.kind == "github" else ""


def _written(path: str, rows: list[dict], file: File) -> bytes:
    if path.endswith(".parquet"):
        return parquet(rows)
    if path.endswith(".json"):
        return json.dumps(rows).encode()
    if path.endswith((".jsonl", ".jsonl.gz")):
        return packed(jsonl(rows)) if path.endswith(".gz") else jsonl(rows)
    return tsv(*([row[name] for name in file.head] for row in rows))


def _serve(hub: FakeHub, home: Home, files: dict[str, bytes]) -> None:
    if home.kind == "hf":
        hub.add(home.name, files, home.revision, home.revision)
        return
    for path, content in files.items():
        place = f"{home.name.removeprefix('https://')}/{path}"
        if home.kind == "github":
            where = "codeload.github.com/{}/zip/{}" if path == "*" else f"raw.githubusercontent.com/{{}}/{{}}/{path}"
            place = where.format(home.name, home.revision)
        hub.plain[place] = content
