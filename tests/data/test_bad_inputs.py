"""Files that are damaged in every way we can think of: each loads, or is refused in one clear error.

300 damaged files by default; ``KIT_EXAMPLES=3000`` makes as many as that.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings as examples, strategies as st

from kit.data.registry import load_bitext, load_corpus, load_task

N_EXAMPLES = int(os.environ.get("KIT_EXAMPLES", "300"))
LOAD = {"corpus": load_corpus, "task": load_task, "bitext": load_bitext}
GERMAN, SPANISH = ["Wo entspringt der Rhein?", "Wer schrieb den Faust?"], ["¿Dónde nace el Rin?", "¿Quién escribió Fausto?"]
PASSAGES = ["Der Rhein entspringt in den Alpen.", "Den Faust schrieb Goethe."]


def lines(rows: list[dict]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def table(rows: list[dict]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


ROWS = [
    {"group_id": str(number), "language": tag, "query": questions[number], "passage": f"{tag}: {PASSAGES[number]}"}
    for tag, questions in (("de", GERMAN), ("es", SPANISH))
    for number in range(2)
]
IDS = [(f"{row['language']}{row['group_id']}", row) for row in ROWS]
TASK = {
    "task.json": json.dumps({"name": "mine", "languages": ["de", "es"]}),
    "queries.jsonl": lines([{"query_id": of, "language": row["language"], "text": row["query"]} for of, row in IDS]),
    "candidates.jsonl": lines(
        [{"candidate_id": of, "language": row["language"], "text": row["passage"]} for of, row in IDS]
    ),
    "relevance.jsonl": lines([{"query_id": one, "candidate_id": of} for one, _ in IDS for of, _ in IDS if one[2] == of[2]]),
}
SQUAD = json.dumps(
    {
        "data": [
            {
                "title": "Rhein",
                "paragraphs": [
                    {
                        "context": " ".join(PASSAGES),
                        "sentences": PASSAGES,
                        "sentence_breaks": [[0, 34], [35, 60]],
                        "qas": [
                            {"id": "q0", "question": GERMAN[0], "answers": [{"text": "Alpen", "answer_start": 28}]},
                            {"id": "q1", "question": GERMAN[1], "answers": [{"text": "Goethe", "answer_start": 53}]},
                        ],
                    }
                ],
            }
        ]
    }
)
BEIR = {
    "corpus.jsonl": lines([{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(PASSAGES)]),
    "queries.jsonl": lines([{"_id": f"q{n}", "text": text} for n, text in enumerate(GERMAN)]),
    "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td1\t1\n",
}
PARALLEL = lines([{"id": str(n), "texts": {"de": GERMAN[n], "es": SPANISH[n], "en": f"Question {n}?"}} for n in range(2)])
TYDI = SQUAD.replace('"q0"', '"finnish-0"').replace('"q1"', '"finnish-1"')
PAGES = lines(
    [
        {
            "group_id": str(n),
            "domain": "d",
            "queries": {"de": GERMAN[n], "es": SPANISH[n]},
            "passages": {"de": "a", "es": "b"},
        }
        for n in range(2)
    ]
)
SOURCES: dict[tuple[str, str], dict[str, str | bytes]] = {
    ("corpus", "jsonl:{}/all.jsonl"): {"all.jsonl": lines(ROWS)},
    ("corpus", "jsonl:{}/all.parquet"): {"all.parquet": table(ROWS)},
    ("task", "jsonl:{}"): TASK,
    ("corpus", "beir:{}?language=de&split=test"): BEIR,
    ("task", "beir:{}?language=de"): BEIR,
    ("corpus", "squad:{}/dev.json?language=de"): {"dev.json": SQUAD},
    ("task", "squad:{}/dev.json?language=de"): {"dev.json": SQUAD},
    ("task", "lareqa:{}"): {"de.json": SQUAD, "es.json": SQUAD},
    ("corpus", "sentences:{}/rows.jsonl"): {"rows.jsonl": PARALLEL},
    ("bitext", "sentences:{}/rows.jsonl?source=de&target=es"): {"rows.jsonl": PARALLEL},
    ("corpus", "tydiqa:{}/dev.json"): {"dev.json": TYDI},
    ("task", "tydiqa:{}/dev.json"): {"dev.json": TYDI},
    ("corpus", "medquad:{}/rows.jsonl?part=all"): {
        "rows.jsonl": lines([row | {"domain": "m", "topic": "t"} for row in ROWS])
    },
    ("corpus", "tldr:{}/rows.jsonl?part=all"): {"rows.jsonl": PAGES},
    ("bitext", "tatoeba:{}?pair=deu-spa"): {
        "tatoeba.deu-spa.deu": "\n".join(GERMAN) + "\n",
        "tatoeba.deu-spa.spa": "\n".join(SPANISH) + "\n",
    },
    ("bitext", "bucc:{}?pair=de-en"): {
        "de-en.training.de": f"de-1\t{GERMAN[0]}\nde-2\t{GERMAN[1]}\n",
        "de-en.training.en": "en-1\tWhere?\nen-2\tWho?\n",
        "de-en.training.gold": "de-1\ten-1\n",
    },
}

VALUES = [
    None, True, 0, -1, 2.5, 10**400, float("nan"), float("inf"), "", " ", "x" * 400, "\ud800", "\x00", "a\u2028b",
    "\u202ecba", "deu", "tlh-Latn-x", [], [[]], {}, {"de": {}}, "1", "-1", "1.0",
]  # fmt: skip


def damaged(content: bytes, kind: str, at: int, value: object) -> bytes:
    """One way to damage a file; ``at`` and ``value`` say where and with what."""
    place = at % (len(content) + 1)
    rows = content.split(b"\n")
    row = at % len(rows)
    if kind == "cut":
        return content[:place]
    if kind == "bit":
        byte = at % len(content)
        return content[:byte] + bytes([content[byte] ^ (1 << at % 8)]) + content[byte + 1 :]
    if kind == "bytes":
        return (
            content[:place]
            + [b"\xff\xfe", b"\x00", b"\r", b"\x1b[2J", b"\xe2\x80\xa8", b"\t", b'"'][at % 7]
            + content[place:]
        )
    if kind == "twice":
        return b"\n".join([*rows[: row + 1], *rows[row:]])
    if kind == "dropped":
        return b"\n".join([*rows[:row], *rows[row + 1 :]])
    if kind == "blank":
        return b"\n".join([*rows[:row], b"", *rows[row:]])
    if kind == "windows":
        return b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")
    if kind == "deep":
        return b"[" * 100_000 + content
    return b"\n".join([*rows[:row], _other_value(rows[row], at, value), *rows[row + 1 :]])


def _other_value(line: bytes, at: int, value: object) -> bytes:
    """The line with one value, or key, of its JSON changed; lines that are no JSON get a field changed."""
    try:
        tree = json.loads(line)
    except ValueError:
        fields = line.split(b"\t")
        fields[at % len(fields)] = str(value).encode("utf-8", "surrogatepass")
        return b"\t".join(fields)
    places: list[tuple[dict | list, str | int]] = []
    _walk(tree, places)
    if places:
        home, key = places[at % len(places)]
        if value == "-1":
            del home[key]
        elif value == "1.0" and isinstance(home, dict):
            home[f"{key} "] = home.pop(key)
        else:
            home[key] = value
    return json.dumps(tree).encode()


def _walk(tree: object, places: list) -> None:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, item in items:
        places.append((tree, key))
        _walk(item, places)


KINDS = ("cut", "bit", "bytes", "twice", "dropped", "blank", "windows", "deep", "value", "value", "value", "value")


@pytest.mark.parametrize(("form", "spec"), SOURCES)
def test_undamaged_files_load(form, spec, tmp_path):
    _write(tmp_path, SOURCES[form, spec])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LOAD[form](spec.format(tmp_path))


@examples(max_examples=N_EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    source=st.sampled_from(sorted(SOURCES)),
    file=st.integers(0, 3),
    kind=st.sampled_from(KINDS),
    at=st.integers(0, 10**6),
    value=st.sampled_from(VALUES),
)
def test_damaged_files_load_or_are_refused_clearly(source, file, kind, at, value):
    form, spec = source
    files = dict(SOURCES[source])
    name = sorted(files)[file % len(files)]
    content = files[name]
    files[name] = damaged(content if isinstance(content, bytes) else content.encode(), kind, at, value)
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), files)
        _load_or_refuse(lambda: LOAD[form](spec.format(folder)), Path(folder))


def _load_or_refuse(load: Callable[[], object], folder: Path) -> None:
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        try:
            load()
        except ValueError as error:
            said = str(error)
            assert str(folder) in said, f"names no file: {said}"
            assert len(said.replace(str(folder), "")) < 600 and said.isprintable(), f"no one clear line: {said!r}"
            said.encode()  # what cannot be written cannot be printed


def _write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
