"""Small files of sets in the layouts of their public homes."""

from __future__ import annotations

import json
import zipfile
from xml.sax.saxutils import escape

from kit.data.homes import ntrex, tico19, tldr

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<Document{id} source="CancerGov" url="https://a.b">
<Focus>{focus}</Focus>
<FocusAnnotations><UMLS><CUIs><CUI>C1</CUI></CUIs></UMLS></FocusAnnotations>
<QAPairs>
{pairs}
</QAPairs>
</Document>
"""
PAIR = """\t<QAPair pid="1">
\t\t\t<Question qid="1-1" qtype="information">{}</Question>
\t\t\t<Answer>{}</Answer>
\t</QAPair>
"""
FIRST = PAIR.format("What is (are) A ?", "Key Points\n                    - A   is an &quot;illness&quot;.\n")
TMX = """<?xml version="1.0" encoding="UTF-8"?>
<tmx version="1.4"><header creationtool="unknown" segtype="paragraph" srclang="en" datatype="text"></header><body>
{units}</body>
</tmx>
"""
UNIT = """<tu tuid="{key}">
<prop type="note">http://a.b</prop>
<tuv xml:lang="en">
<seg>{english}</seg></tuv>
<tuv xml:lang="{code}"><seg>{text}</seg></tuv>
</tu>
"""


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def put_medquad(home, first=FIRST):
    folder = home / "1_CancerGov_QA"
    put(folder / "0000001_2.xml", PAGE.format(id=' id="0000001_2"', focus="B", pairs=PAIR.format("b?", "B.")))
    put(folder / "0000001_10.xml", PAGE.format(id=' id="0000001_10"', focus="A", pairs=first))
    for number in range(2, 10):
        pairs = PAIR.format(" c ?", "C.") + PAIR.format("d?", " ") + PAIR.format(f"e{number}?", "E.")
        put(home / f"{number}_X_QA" / "0000001.xml", PAGE.format(id=' id="0000001"', focus="", pairs=pairs))
    put(home / "9_X_QA" / "0000002.xml", PAGE.format(id="", focus="F", pairs=PAIR.format("f?", "F.")))
    put(home / "10_MPlus_ADAM_QA" / "0000001.xml", PAGE.format(id=' id="0000001"', focus="G", pairs=PAIR.format("g?", "")))


def put_ntrex(home, lines=3):
    put(home / "DOCUMENT_IDS.tsv", "bbc.1\nbbc.1\ncnn.2\n")
    for code in [*ntrex.CODES, "por", "zho-TW"]:
        name = "src.eng" if code == "eng" else f"ref.{code}"
        put(home / "NTREX-128" / f"newstest2019-{name}.txt", "".join(f"{code} {number} \n" for number in range(lines)))


def put_tico19(home, key="CMU_1:{}"):
    (home / "data" / "TM").mkdir(parents=True)
    for code in [*tico19.CODES, "am"]:
        units = "".join(
            UNIT.format(key=key.format(number), english=f"I&apos;m {number}", code=code, text=f" {code} {number}")
            for number in (1, 2, 3)
            if (code, number) != ("zh", 3)  # a sentence that one language lacks
        )
        with zipfile.ZipFile(home / "data" / "TM" / f"all.en-{code}.tmx.zip", "w") as archive:
            archive.writestr(f"all.en-{code}.tmx", TMX.format(units=units))


def put_back_ntrex(home, rows):
    """The files of which rows were made."""
    put(home / "DOCUMENT_IDS.tsv", "".join(f"{row['document']}\n" for row in rows))
    for code, tag in ntrex.CODES.items():
        put(home / ntrex.file_of(code), "".join(f"{row['texts'][tag]} \n" for row in rows))


def put_back_tico19(home, rows):
    """The files of which rows were made."""
    (home / "data" / "TM").mkdir(parents=True)
    for code, tag in tico19.CODES.items():
        units = "".join(
            UNIT.format(key=row["id"], english=escape(row["texts"]["en"]), code=code, text=escape(row["texts"][tag]))
            for row in rows
        )
        with zipfile.ZipFile(home / tico19.file_of(code), "w") as archive:
            archive.writestr(f"all.en-{code}.tmx", TMX.format(units=units))


def page(told, *captions):
    examples = "".join(f"- {caption}:\n\n`tar {{{{path/to/file}}}}`\n\n" for caption in captions)
    return f"# tar\n\n> {told}\n> More information: <https://a.b/c>.\n\n{examples}"


def put_tldr(home):
    for number, language in enumerate(tldr.LANGUAGES):
        folder = home / ("pages" if language == "en" else f"pages.{language}")
        for platform in ("common", "linux"):
            captions = ("Pack a file", f"Unpack in `{language}`") if language != "ja" else ("View the documentation",)
            put(folder / platform / "tar.md", page(f"Archives.\n> See also: `zip` ({language}).", *captions))
        if number < 4:
            put(folder / "common" / "[.md", page(f"Checks {language}.", "a", "b"))
        if number < 3:
            put(folder / "common" / "few.md", page("In three languages.", "a", "b"))
    put(home / "pages" / "osx" / "say.md", page("Talks.", "a", "b"))


def put_policyqa(home):
    for part in ("dev", "test"):
        question = {"id": part, "question": "Why?", "type": "Policy Change", "answers": [{"text": "So", "answer_start": 0}]}
        paragraph = {"index": 0, "context": "So it is.", "summary": ["s"], "qas": [question]}
        data = [{"title": "a.com", "paragraphs": [paragraph]}]
        put(home / "data" / f"{part}.json", json.dumps({"version": "v1.0", "data": data}))


def put_scifact(home):
    put(home / "corpus.jsonl", '{"_id": "4983", "title": "T", "text": "Cells."}\n{"_id": "5", "title": "U", "text": "V."}\n')
    put(home / "queries.jsonl", '{"_id": "0", "text": "Biomaterials?"}\n{"_id": "2", "text": "Prions?"}\n')
    put(home / "qrels" / "train.jsonl", '{"query-id": "0", "corpus-id": "4983", "score": 1.0}\n')
    put(home / "qrels" / "test.jsonl", '{"query-id": "2", "corpus-id": "5", "score": 1.0}\n')


PUT = {
    "medquad": put_medquad,
    "ntrex": put_ntrex,
    "policyqa": put_policyqa,
    "scifact": put_scifact,
    "tico19": put_tico19,
    "tldr": put_tldr,
}
