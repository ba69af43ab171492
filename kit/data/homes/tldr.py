"""tldr-pages: one Markdown file a command and language, in ``pages/`` in English, in ``pages.de/`` in German."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PLATFORMS = ("common", "linux")
LANGUAGES = tuple("ar de en es fa fr hi id it ja ko nl pl pt_BR ru tr zh".split())
"""Those that the kit's studies read, as the folders call them."""

FEWEST_LANGUAGES, FEWEST_EXAMPLES = 4, 2
"""A command is kept if so many of the languages have a page, and a page counts if it has so many examples: those of one
example say that the command is another name of one, with a link to it."""


def folder_of(language: str) -> str:
    """The folder of a language's pages."""
    return "pages" if language == "en" else f"pages.{language}"


def convert(folder: Path) -> Iterator[dict]:
    """Rows of ``tldr.jsonl.gz``: one a command, what it does as query and the examples' captions as passage, by language.

    Args:
        folder: holds ``pages/common/tar.md`` and so on.

    Raises:
        ValueError: a page that is not a text.
    """
    for platform in PLATFORMS:
        homes = {tag: folder / folder_of(tag) / platform for tag in LANGUAGES}
        for name in sorted({file.stem for home in homes.values() for file in home.glob("*.md")}):
            pages = {tag: page for tag, home in homes.items() if (page := _page(home / f"{name}.md"))}
            if len(pages) >= FEWEST_LANGUAGES:
                yield {
                    "group_id": f"tldr-{platform}/{name}",
                    "domain": "technical",
                    "source": "tldr",
                    "queries": {tag: told for tag, (told, _) in pages.items()},
                    "passages": {tag: examples for tag, (_, examples) in pages.items()},
                }


def _page(path: Path) -> tuple[str, str] | None:
    """Description and captions of a page; ``None`` where there is none that counts."""
    if not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8 ({error}): download it again") from None
    told = [line[1:].strip().replace("`", "") for line in lines if line.startswith(">") and "<http" not in line]
    examples = [f"{line[1:].strip().rstrip(':')}." for line in lines if line.startswith("- ")]
    return (" ".join(told), " ".join(examples)) if any(told) and len(examples) >= FEWEST_EXAMPLES else None
