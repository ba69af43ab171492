"""What the texts say: links lead somewhere, commands parse, examples run, numbers are those of the kept reports."""

from __future__ import annotations

import re
import shlex
import shutil
from functools import cache
from pathlib import Path

import pytest
import yaml
from test_judged import miracl_folder  # tests/data

import kit
from kit.compare import findings
from kit.data.corpus import ParallelCorpus
from kit.evaluate.bias.measures import PANEL
from kit.run import profiles
from kit.run.cli import commands, doing

HERE = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *HERE.glob("*.md"),
        *(HERE / "docs").rglob("*.md"),
        *(HERE / folder / "README.md" for folder in ("data", "notebooks", "reports")),
    ]
)
ROOMS = sorted(path.parent.name for path in (HERE / "kit").glob("*/__init__.py"))


@cache
def text_of(page: str | Path) -> str:
    return (HERE / page).read_text(encoding="utf-8")


def blocks(page: str | Path, language: str) -> list[str]:
    """Fenced blocks of a page, without the indentation that they have in a list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text_of(page), re.M | re.S)
    return ["\n".join(line.removeprefix(indent) for line in body.splitlines()) for indent, body in found]


def prose(page: str | Path) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text_of(page), flags=re.M | re.S)


def section(page: str | Path, heading: str) -> str:
    return text_of(page).split(f"\n## {heading}\n")[1].split("\n## ")[0]


def identify(page: Path) -> str:
    return page.relative_to(HERE).as_posix()


class TestReadme:
    def test_is_short(self):
        assert len((HERE / "README.md").read_bytes()) <= 12_288

    @pytest.mark.parametrize(("page", "report"), [("README.md", "atlas-cpu"), ("docs/real-text.md", "xquad-r-to-mlqa-r")])
    def test_tables_are_those_of_the_reports(self, page, report):
        text = text_of(f"reports/{report}.md").partition("## Bias panel")[0]
        rows = re.findall(r"^\| ((?:X-X-mono|X-Y|Hybrid) .*±.*) \|$", text, re.M)
        assert len(rows) == 3
        for row in rows:
            cells = re.sub(r"\[.*?\]|\|", " ", row).split()  # no intervals, no lines
            assert re.search(r"\s+".join(map(re.escape, cells)), text_of(page)), row

    def test_what_is_said_of_pretrained_encoders_is_in_their_reports(self):
        kept = text_of("reports/pretrained-e5/10-tables.md").partition("## tydiqa")[0]
        arms = {"as it is": "as it is", "**each language centred, no training**": "centring"}
        arms |= {f"head on {one} batches": one for one in ("X-Y", "Hybrid")} | {
            "head (one matrix) on X-X-mono batches": "X-X-mono"
        }
        for page, names in (
            ("README.md", arms),
            ("notebooks/10_mend_a_pretrained_model.ipynb", {"**centring, no training**": "centring"}),
        ):
            for said, arm in names.items():
                numbers = re.search(rf"\| {re.escape(said)} \|([^\n]*?)\|(?:\\n\",)?$", text_of(page), re.M)[1].split("|")
                row = re.search(rf"^\| {re.escape(arm)} \|(.*)\|$", kept, re.M)[1].split("|")
                assert [cell.strip() for cell in numbers] == [row[column].split()[0] for column in (0, 1, 2, 6)], (
                    page,
                    said,
                )
        rows = re.findall(r"^\| (XQuAD-R|MLQA-R): (?:a )?(\S+(?: ranking)?) \|(.*)\|$", text_of("docs/real-text.md"), re.M)
        assert len(rows) == 6
        for task, name, cells in rows:
            report = text_of(f"reports/pretrained-{task.lower()}.md")
            told = [cell.strip() for cell in cells.split("|") if cell.strip()]
            shown = " ".join(re.findall(rf"^\| {name} \|.*$", report, re.M))
            assert told and all(f" {number} " in shown for number in told), (task, name)

    FOUND = (  # number of the sentence, claim, start of what it was tested on
        (1, "Hybrid reaches the monolingual quality of X-X-mono", "atlas"),
        (1, "Hybrid reaches the cross-lingual quality of X-Y", "atlas"),
        (2, "X-Y batches cost monolingual quality", "mlqa-r"),
        (2, "X-Y batches cost monolingual quality", "atlas"),
        (3, "English pairs of the domain medical help on it within English", "medquad"),
        (3, "Cross-lingual retrieval in the domain technical improves with English pairs of it", "tldr"),
        (3, "Hybrid's drop under domain shift is smaller than that of X-X-mono (mono mAP)", "mean over"),
        (4, "Synthetic parallel data beat English-only training across languages", "mlqa-r"),
        (4, "Synthetic groups reach real ones across languages (within 0.02)", "mlqa-r"),
        (4, "Back-translated paraphrases help across languages", "mlqa-r"),
        (5, "Hybrid mines low-resource pairs better than English-only training", "tico19"),
        (5, "Hybrid reaches translation ranking in mining low-resource pairs", "tico19"),
        (6, "Hybrid reaches the multilingual quality of X-Y", "mlqa-r"),
        (6, "Centring, without training, helps a pretrained model in multilingual retrieval", "mlqa-r"),
        (6, "Training adds to centring in multilingual retrieval", "mlqa-r"),
        (6, "Training adds to centring in multilingual retrieval", "xquad-r (de, es, zh)"),
        (6, "Synthetic groups reach real ones across languages (within 0.02)", "mlqa-r"),
    )
    """The last sentence is of a pretrained encoder."""

    def test_what_was_found_is_what_the_claims_say(self):
        told = section("README.md", "What was found")
        sentences = re.findall(r"^\d\. .*?(?=^\d\. |^$)", told, re.M | re.S)
        numbers = [re.findall(r"([+−][\d.,]+\d)(?:\s+mono)?(?:\s+mAP)?\s+(\[.*?\])", part, re.S) for part in sentences]
        printed = [[f"{value} {' '.join(interval.split())}" for value, interval in part] for part in numbers]
        stored = findings.read(HERE / "reports" / "claims.json")
        expected: list[list[str]] = [[] for _ in sentences]
        for number, claim, on in self.FOUND:
            kind = [one for one in stored if bool(one.encoder) == (number == 6)]
            (one,) = [one for one in kind if one.claim == claim and one.on.startswith(on)]
            expected[number - 1].append(one.interval)
        assert len(sentences) == 6 and printed == expected

    def test_its_other_numbers_are_those_of_the_reports(self):
        told = " ".join(text_of("README.md").split())
        stored = findings.read(HERE / "reports" / "claims.json")
        counts = [
            [
                sum(one.verdict == verdict for one in stored if bool(one.encoder) == pretrained)
                for verdict in findings.VERDICTS[:2]
            ]
            for pretrained in (False, True)
        ]
        (seen, other), (seen_of_it, other_of_it) = counts
        untested = sum(not one.is_tested for one in stored)
        assert (
            f"Of {seen + other} findings on encoders from scratch, {seen} say *seen here*; "
            f"of {seen_of_it + other_of_it} on a pretrained one, {seen_of_it} do; {untested} claims are not tested"
        ) in told
        report = text_of("reports/atlas-cpu.md")
        distance = {
            row: re.search(rf"^\| {row} \|.*\| ([\d,]+) ± \d+ \[[^|]*\|$", report, re.M)[1] for row in ("X-X-mono", "X-Y")
        }
        chance = re.search(r"^\| random ranking \| ([\d,]+) ", report, re.M)[1]
        assert f"where X-Y leaves {distance['X-Y']}, X-X-mono {distance['X-X-mono']} and a random ranking {chance}" in told
        assert f"one list of {re.search(r'against ([0-9,]+) candidates', report)[1]} texts" in told

    def test_the_example_is_the_file(self):
        path = HERE / "docs" / "examples" / "stock_trainer.py"
        mark = "<!-- example: docs/examples/stock_trainer.py -->\n"
        assert mark in text_of("README.md")
        quoted = text_of("README.md").partition(mark)[2].lstrip("\n")
        assert quoted.startswith(f"```python\n{path.read_text(encoding='utf-8')}```\n")

    def test_the_table_of_notebooks_has_every_notebook(self):
        assert re.findall(r"\(notebooks/(\w+\.ipynb)\) \|", section("README.md", "The notebooks")) == sorted(
            path.name for path in (HERE / "notebooks").glob("[0-9]*.ipynb")
        )

    def test_the_table_of_rooms_has_every_room(self):
        rooms = re.findall(r"^\| \[(\w+)\]\(docs/api/\1\.md\) \|", text_of("README.md"), re.M)
        assert sorted(rooms) == ROOMS and rooms == re.findall(
            r"^\| \[(\w+)\]\(api/\1\.md\) \|", text_of("docs/rooms.md"), re.M
        )
        order = "core < data < {augment, train, evaluate} < compare < show < run"
        assert re.findall(r"\w+", order) == rooms and order in text_of("README.md") and order in text_of("docs/rooms.md")


class TestClaims:
    def test_the_table_is_that_of_the_reports(self):
        stored = findings.read(HERE / "reports" / "claims.json")
        assert findings.short(stored) in text_of("docs/claims.md")
        assert findings.markdown(stored) in text_of("reports/claims.md")

    def test_the_findings_of_the_kept_runs_are_in_the_table(self):
        stored = findings.read(HERE / "reports" / "claims.json")
        paths = [*HERE.glob("reports/*-real/*-findings.json"), *HERE.glob("reports/*-e5*/*-findings.json")]
        kept = [one for path in sorted(paths) for one in findings.read(path) if one.is_tested]
        assert len(paths) == 10 and len(kept) > 120 and {str(one) for one in kept} <= {str(one) for one in stored}


class TestReference:
    @pytest.mark.parametrize("room", ROOMS)
    def test_every_room_has_a_page(self, room):
        assert text_of(f"docs/api/{room}.md") == f"# kit.{room}\n\n::: kit.{room}\n"

    def test_the_list_of_measures_is_that_of_the_panel(self):
        fair = {"low": "lower is fairer", "high": "higher is fairer", "chance": "chance is neutral"}
        lines = [f"- **{one.label}** ({fair[one.fair]}): {one.meaning} `{one.formula}` ({one.source})" for one in PANEL]
        told = text_of("docs/measures.md").split("<!-- measures -->")[1].split("<!-- end of measures -->")[0]
        assert told.strip().splitlines() == lines

    def test_the_table_of_profiles_has_every_profile(self):
        names = re.findall(
            r"`([\w-]+)`", "".join(re.findall(r"^\| (`.*?) \|", section("docs/running.md", "Profiles"), re.M))
        )
        assert sorted(names) == sorted(path.stem for path in (HERE / "notebooks" / "params").glob("*.yaml"))

    def test_the_site_shows_every_page(self):
        nav = re.findall(r"[\w/-]+\.md", str(yaml.safe_load(text_of("mkdocs.yml"))["nav"]))
        assert sorted(nav) == [identify(page) for page in PAGES]

    def test_one_version(self):
        assert yaml.safe_load(text_of("CITATION.cff"))["version"] == kit.__version__
        assert re.search(r"^## (\S+)", text_of("CHANGELOG.md"), re.M)[1] == kit.__version__


@pytest.mark.parametrize("page", PAGES, ids=identify)
class TestPages:
    def test_links_lead_to_files_and_headings(self, page):
        lost = []
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if link.startswith("https://"):
                continue
            place, _, anchor = link.partition("#")
            target = (page.parent / place).resolve() if place else page
            if not target.exists() or (anchor and anchor not in _anchors(target)):
                lost.append(link)
        assert lost == []

    def test_commands_name_what_there_is(self, page):
        for words in _commands(page):
            if words[0] == "make":
                targets = [word for word in words[1:] if "=" not in word]
                assert all(re.search(rf"^{target}:", text_of("Makefile"), re.M) for target in targets), words
            elif words[:3] == ["python", "-m", "kit"]:
                _check_command(words[3:])


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def console(page: Path) -> list[str]:
    """What a page types in consoles; a line that goes on is one."""
    return re.findall(r"^\$ (.*)$", "\n".join(blocks(page, "console")).replace("\\\n", ""), re.M)


def _commands(page: Path) -> list[list[str]]:
    """Commands of a page as words: lines of consoles, and inline code that begins with one."""
    typed = console(page)
    typed += re.findall(r"`((?:python -m kit|make) [^`…]+)`", prose(page))
    return [shlex.split(line, comments=True) for line in typed]


def _check_command(words: list[str]) -> None:
    """Raise for a subcommand, option, profile, notebook or parameter that there is not; NN and NAME stand for any."""
    try:
        parsed = commands.parser("python -m kit").parse_args(
            words if len(words) > 1 else [*words, "--help"]
        )  # one word names a command
    except SystemExit as end:
        assert end.code == 0, words  # --help
        return
    if hasattr(parsed, "parameters") and not {"NN", "NAME"} & set(re.findall(r"[A-Z]+", " ".join(words))):
        numbers = getattr(parsed, "notebooks", None) or [path.name[:2] for path in (HERE / "notebooks").glob("[0-9]*.ipynb")]
        profiles.parameters_of(parsed.profile, dict(doing.pairs_of(parsed)), [profiles.notebook(one) for one in numbers])


PARTS = {"de": ("Hauptstadt von Land", "Die Hauptstadt ist"), "es": ("Capital del país", "La capital es")}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A project with data of its own, and a folder ``path/to/model``; the working folder."""
    home = tmp_path_factory.mktemp("home")
    (home / "notebooks").symlink_to(HERE / "notebooks")
    rows = [
        {"group_id": str(group), "language": tag, "query": f"{asked} {group}?", "passage": f"{told} {group}."}
        for group in range(300)
        for tag, (asked, told) in PARTS.items()
    ]
    ParallelCorpus.from_rows(rows, "all").write(home / "data" / "all.jsonl")
    miracl_folder(home / "data" / "miracl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KIT_HOME", str(home))
        patch.chdir(home)
        for block in blocks("docs/own-data.md", "python"):
            exec(compile(block, "docs/own-data.md", "exec"), {})
        shutil.copytree(home / "data" / "cache" / "mine" / "model", home / "path" / "to" / "model")
        yield home


class TestExamples:
    def test_own_data(self, home):
        assert ParallelCorpus.read(home / "data" / "mine.jsonl").languages == ("de", "es")
        assert (home / "data" / "my-task" / "task.json").is_file()
        assert (home / "data" / "cache" / "mine" / "model" / "modules.json").is_file()

    @pytest.mark.parametrize("page", ["README.md", "docs/own-data.md"])
    def test_the_lines_of_a_corpus(self, page, tmp_path):
        (lines,) = blocks(page, "json")
        (tmp_path / "mine.jsonl").write_text(lines, encoding="utf-8")
        corpus = ParallelCorpus.read(tmp_path / "mine.jsonl")
        assert (len(corpus), corpus.group_ids, corpus.languages) == (2, ("7",), ("de", "es"))

    @pytest.mark.filterwarnings("ignore:The fill_missing parameter is deprecated:DeprecationWarning:mteb")
    @pytest.mark.filterwarnings("ignore:The `get_sentence_embedding_dimension` method:FutureWarning:mteb")
    @pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning:mteb")
    @pytest.mark.parametrize("page", ["docs/own-model.md", "docs/mteb.md", "docs/scale.md"])
    def test_code(self, home, page, capsys):
        if page == "docs/mteb.md":
            pytest.importorskip("mteb", reason="mteb is not installed: pip install -e '.[mteb]'")
        for block in blocks(page, "python"):
            exec(compile(block, page, "exec"), {})
        assert capsys.readouterr().out


def test_the_site_builds_without_a_warning(tmp_path):
    config = pytest.importorskip("mkdocs.config", reason="mkdocs is not installed: make docs")
    pytest.importorskip("mkdocstrings_handlers.python", reason="mkdocstrings is not installed: make docs")
    from mkdocs.commands.build import build

    with open(HERE / "mkdocs.yml", "rb") as file:
        build(config.load_config(file, site_dir=str(tmp_path / "site"), strict=True))
    assert "ParallelCorpus" in (tmp_path / "site" / "docs" / "api" / "data.html").read_text(encoding="utf-8")
