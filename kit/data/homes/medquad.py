"""MedQuAD: one XML file a page, in one folder for each site that it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from kit.data.homes.layout import parsed_xml


def convert(folder: Path) -> Iterator[dict]:
    """Rows of ``medquad.jsonl.gz``: the answered questions, in the order of sites, files and questions.

    Folders 10 to 12 have questions only, since the answers are their publisher's; they give no row. The id of a row is that
    of its page and the question's place there, which pages with several files repeat.

    Args:
        folder: holds ``1_CancerGov_QA/*.xml`` and so on.

    Raises:
        ValueError: a file that is not XML.
    """
    files = sorted(folder.glob("[0-9]*_QA/*.xml"), key=lambda file: (int(file.parent.name.split("_")[0]), file.name))
    for file in files:
        page = parsed_xml(file.read_bytes(), file)
        topic = _text(page, "Focus")
        for place, pair in enumerate(page.iter("QAPair")):
            question, answer = _text(pair, "Question"), " ".join(_text(pair, "Answer").split())
            if question and answer:
                yield {
                    "query": question,
                    "passage": answer,
                    "language": "en",
                    "domain": "medical",
                    "source": "medquad",
                    "topic": topic,
                    "group_id": f"medquad-{page.get('id')}-{place}",
                }


def _text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()
