"""Made files of the public sets, in the layouts and at the homes that ``data/hub.yaml`` names: what ``rehearsal.py`` gets.

Questions share words with their answers, and names stand alike in all languages, so that a tiny model learns something.
Holes and repeated rows are there as in published sets. The two tests have the paper's own numbers of questions and
sentences: its tables are compared with nothing less.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from fake_hub import FakeHub, card, jsonl, packed, parquet, tarred, tsv

from kit.compare.published.figures import paper

JUDGED = ("sw", "te")
ENTITIES, QUALITIES = 300, 40

SCRIPTS = {
    "ar": "ابتدرسعكلمن",
    "bn": "কখগতদনপবমর",
    "el": "αβγδεκλμνο",
    "hi": "कखगतदनपबमर",
    "ru": "абвгдеклмн",
    "te": "కగతదనపబమరల",
    "th": "กขคงจชดตนบ",
    "zh": "山水火木金土日月人大",
}
"""Letters of a language; Latin ones where nothing is said."""

Files = dict[str, bytes]


@cache
def word(language: str, kind: str, number: int) -> str:
    """A made word, the same each time; words of one kind and number are each other's translations."""
    letters = random.Random(f"{language} {kind} {number}")
    return "".join(letters.choices(SCRIPTS.get(language, "abdegiklmnoprstu"), k=2 if language == "zh" else 6))


def spaced(language: str, *words: str) -> str:
    return ("" if language in ("th", "zh") else " ").join(words)


def told(language: str, fact: int) -> str:
    """A sentence that tells a fact: a name, what it is, what it is like, and a number."""
    chance = random.Random(fact)
    entity, quality = chance.randrange(ENTITIES), chance.randrange(QUALITIES)
    parts = (word("en", "name", entity).title(), word(language, "is", entity), word(language, "like", quality), f"{fact}")
    return spaced(language, *parts) + "."


def asked(language: str, fact: int) -> str:
    """The question that a fact answers."""
    chance = random.Random(fact)
    entity, quality = chance.randrange(ENTITIES), chance.randrange(QUALITIES)
    parts = (word(language, "what", 0), word(language, "like", quality), word(language, "is", entity))
    return spaced(language, *parts, f" {word('en', 'name', entity).title()}?")


def passage(language: str, fact: int, n: int = 3) -> str:
    """A fact among others."""
    return " ".join(told(language, one) for one in (fact, *range(fact + 100_000, fact + 100_000 + n)))


def squad(paragraphs: Sequence[dict]) -> bytes:
    """Ten paragraphs an article."""
    articles = [paragraphs[start : start + 10] for start in range(0, len(paragraphs), 10)]
    data = [{"title": f"Article {number}", "paragraphs": one} for number, one in enumerate(articles)]
    return json.dumps({"version": "1.1", "data": data}, ensure_ascii=False).encode()


def lareqa(language: str, questions: Sequence[int], n_sentences: int, a_paragraph: int) -> bytes:
    """Questions by number, so many a paragraph, against so many sentences in all, spread over the paragraphs."""
    groups = [questions[start : start + a_paragraph] for start in range(0, len(questions), a_paragraph)]
    paragraphs = []
    for number, group in enumerate(groups):
        n_here = n_sentences * (number + 1) // len(groups) - n_sentences * number // len(groups)
        answers = [[one for place, one in enumerate(group) if place % n_here == at] for at in range(n_here)]
        filler = iter(range(1_000_000 + 100 * number, 1_000_100 + 100 * number))
        texts = [spaced(language, *(told(language, one) for one in here or [next(filler)])) for here in answers]
        starts = [sum(len(text) + 1 for text in texts[:at]) for at in range(n_here)]
        qas = [
            {
                "id": f"question-{one}",
                "question": asked(language, one),
                "answers": [{"text": texts[place % n_here][:5], "answer_start": starts[place % n_here]}],
            }
            for place, one in enumerate(group)
        ]
        breaks = [[start, start + len(text)] for start, text in zip(starts, texts)]
        paragraphs.append({"context": " ".join(texts), "qas": qas, "sentences": texts, "sentence_breaks": breaks})
    return squad(paragraphs)


def xquad_r(languages: Sequence[str]) -> Files:
    """The paper's numbers; all questions in all languages."""
    sizes = paper().sizes("XQuAD-R")
    made = {tag: lareqa(tag, range(int(sizes[tag][0])), int(sizes[tag][1]), 5) for tag in languages}
    return {f"xquad-r/{tag}.json": content for tag, content in made.items()}


def mlqa_r(languages: Sequence[str]) -> Files:
    """The paper's numbers; every question in English and two or three of the other languages."""
    sizes = {tag: paper().sizes("MLQA-R")[tag] for tag in languages}
    n_all, start = int(sizes["en"][0]), 0
    made = {}
    for tag, (n_questions, n_sentences) in sizes.items():
        here = range(n_all) if tag == "en" else [(start + one) % n_all for one in range(int(n_questions))]
        start += 0 if tag == "en" else int(n_questions)
        made[tag] = lareqa(tag, [10_000 + one for one in sorted(here)], int(n_sentences), 3)
    return {f"mlqa-dev-r/{tag}.json": content for tag, content in made.items()}


def squadshifts(splits: Sequence[str]) -> Files:
    """English questions on paragraphs."""
    made = {}
    for place, split in enumerate(splits):
        facts = range(20_000 + 1000 * place, 20_200 + 1000 * place)
        answer = {"text": "a", "answer_start": 0}
        made[f"datasets/{split}_v1.0.json"] = squad(
            [
                {"context": passage("en", one), "qas": [{"id": f"{one}", "question": asked("en", one), "answers": [answer]}]}
                for one in facts
            ]
        )
    return made


def pairs(query: str, answer: str, start: int, n: int = 300, **more: object) -> bytes:
    """Rows of two texts, the last of them twice and one without an answer, as published sets have them."""
    facts = [*range(start, start + n), start + n - 1]
    rows = [{query: asked("en", one), answer: passage("en", one)} | more for one in facts]
    return parquet([*rows, {query: asked("en", start), answer: ""} | more])


def mmarco(names: Mapping[str, str]) -> tuple[Files, Files]:
    """mMARCO's repository, and MS MARCO's English files, of 2,000 passages, 300 questions to train on and 50 others."""
    facts = {split: range(50_000, 50_000 + n) for split, n in (("collection", 2000), ("train", 300))}
    facts["dev"] = range(50_300, 50_350)
    qrels = {split: tsv(*((one, 0, one - 50_000, 1) for one in facts[split])) for split in ("train", "dev")}
    chance = random.Random(0)
    triples = [(one, one - 50_000, chance.randrange(400, 2000)) for one in facts["train"] for _ in range(4)]
    hub, plain = {"data/qrels.dev.small.tsv": qrels["dev"], "data/triples.train.ids.small.tsv": tsv(*triples)}, {}
    for tag, name in names.items():
        collection = tsv(*((one - 50_000, passage(tag, one, 1)) for one in facts["collection"]))
        queries = {split: tsv(*((one, asked(tag, one)) for one in facts[split])) for split in ("train", "dev")}
        if tag == "en":
            members = {f"queries.{split}.tsv": content for split, content in queries.items()}
            plain["collectionandqueries.tar.gz"] = tarred({"collection.tsv": collection} | members)
            continue
        hub[f"data/google/collections/{name}_collection.tsv"] = collection
        for split, content in queries.items():
            hub[f"data/google/queries/{split}/{name}_queries.{split}.tsv"] = content
    return hub, plain | {"qrels.train.tsv": qrels["train"]}


def mr_tydi(code: str, language: str, split: str) -> bytes:
    """Questions with lists of passages; but for the training part, only with the numbers of those that answer."""
    rows = []
    for one in range(70_000, 70_200):
        lists = {"positive": [one]} | ({"negative": [one + 500, one + 501]} if split == "train" else {})
        told = {fact: {"title": code, "text": passage(language, fact)} for facts in lists.values() for fact in facts}
        no_text = {} if split == "train" else {"title": "", "text": ""}
        texts = {
            f"{kind}_passages": [{"docid": f"{fact}#0", **told[fact], **no_text} for fact in facts]
            for kind, facts in lists.items()
        }
        rows.append({"query_id": f"{split}{one}", "query": asked(language, one)} | texts)
    return packed(jsonl(rows))


def mfaq(language: str) -> bytes:
    """Pages of questions and answers, one without an answer."""
    pages = []
    for number in range(60):
        facts = range(80_000 + 5 * number, 80_005 + 5 * number)
        texts = [{"question": asked(language, one), "answer": passage(language, one), "language": language} for one in facts]
        texts += [{"question": asked(language, facts[0]), "answer": "", "language": language}] if not number else []
        page = {"id": number, "language": language, "num_pairs": len(texts), "domain": f"{number}.org", "qa_pairs": texts}
        pages.append(page)
    return jsonl(pages)


def miracl() -> tuple[Files, Files]:
    """Corpora in two parts each, one passage without a text among them; questions and judgements, two to train on."""
    corpora, judged = {}, {}
    for tag in JUDGED:
        for part in range(2):
            rows = [{"docid": f"{one}#0", "title": "T", "text": told(tag, one)} for one in range(90_000 + part, 90_400, 2)]
            rows += [{"docid": "0#0", "title": "", "text": ""}] if part else []
            corpora[f"miracl-corpus-v1.0-{tag}/docs-{part}.jsonl.gz"] = packed(jsonl(rows))
        for split, facts in (("dev", range(90_000, 90_040)), ("train", range(90_100, 90_102))):
            place = f"miracl-v1.0-{tag}/{{0}}/{{0}}.miracl-v1.0-{tag}-{split}.tsv"
            judged[place.format("topics")] = tsv(*((one, asked(tag, one)) for one in facts))
            grades = [(one, "Q0", f"{one + more}#0", int(not more)) for one in facts for more in (0, 50)]
            judged[place.format("qrels")] = tsv(*grades)
    return corpora, judged


def fill(hub: FakeHub, sets: Mapping[str, dict]) -> None:
    """Put all sets where their homes are, at the commits and branches that the manifest names."""

    def add(home: str, files: Files) -> None:
        kind, _, rest = home.partition(":")
        name, _, revision = rest.partition("@")
        is_commit = len(revision) >= 7 and set(revision) <= set("0123456789abcdef")
        commit = revision.ljust(40, "0") if is_commit else "a" * 40
        if kind == "hf":
            hub.add(name, files, commit, revision)
            return
        hub.branches[name, revision] = commit
        hub.plain.update({f"raw.githubusercontent.com/{name}/{commit}/{path}": one for path, one in files.items()})

    home = {name: one["home"] for name, one in sets.items()}
    add(home["xquad-r"], xquad_r(sets["xquad-r"]["languages"]))
    add(home["mlqa-r"], mlqa_r(sets["mlqa-r"]["languages"]))
    add(home["squadshifts"], squadshifts(sets["squadshifts"]["splits"]))
    of_hub, plain = mmarco(sets["mmarco"]["languages"])
    add(home["mmarco"], of_hub)
    marco = sets["mmarco"]["files"]["corpus@en"]["home"].removeprefix("https://")
    hub.plain.update({f"{marco}/{name}": content for name, content in plain.items()})
    corpora, judged = miracl()
    add(home["miracl"], corpora)
    add(sets["miracl"]["files"]["topics"]["home"], judged)
    tydi = {
        f"mrtydi-v1.1-{code}/{split}.jsonl.gz": mr_tydi(code, tag, split)
        for tag, code in sets["mr-tydi-train"]["languages"].items()
        for split in ("train", "dev", "test")
    }
    add(home["mr-tydi-train"], tydi)
    codes = sets["mfaq"]["languages"].items()
    add(home["mfaq"], {f"data/{code}/{split}.jsonl": mfaq(tag) for tag, code in codes for split in sets["mfaq"]["splits"]})
    tables: dict[str, tuple[str, Callable[[int], bytes]]] = {
        "natural-questions": ("pair", lambda start: pairs("query", "answer", start)),
        "wikiqa": ("data", lambda start: pairs("question", "answer", start, question_id="Q", document_title="t", label=1)),
        "duorc": ("ParaphraseRC", lambda start: pairs("question", "plot", start, title="t", answers=["a"], no_answer=False)),
        "newsqa": ("data", lambda start: pairs("question", "context", start, answers=["a"], key="k")),
        "yahoo-answers": ("title-answer-pair", lambda start: pairs("title", "answer", start)),
    }
    for place, (name, (folder, rows)) in enumerate(tables.items()):
        splits = sets[name]["splits"]
        made = {
            f"{folder}/{split}-00000-of-00001.parquet": rows(100_000 + 10_000 * place + 1000 * number)
            for number, split in enumerate(splits)
        }
        config = sets[name]["files"]["rows"]["config"]
        add(home[name], made | {"README.md": card({config: {split: f"{folder}/{split}-*" for split in splits}})})
