"""The generated pages hold everything that the code has, and the written ones name only what exists."""

import re
from pathlib import Path

import pytest

from dataml.access.permissions import Permission
from dataml.contract.warnings import WARNING_CODES
from dataml.settings import Settings
from docs.generator import __main__ as generator
from docs.generator import api, error_codes, tables
from tests.client import API
from tests.conftest import Platform

ROOT = Path(__file__).parents[2]
WRITTEN = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
ARCHITECTURE = sorted((ROOT / "docs" / "architecture").glob("*.md"))
# Where a path in the texts may begin.
BASES = (".", "dataml", "deployments")
# What the client and the command line read.
CLIENT_VARIABLES = {"DATAML_URL", "DATAML_API_KEY", "DATAML_PROFILE", "DATAML_PASSWORD", "DATAML_NEW_PASSWORD"}
# What stands for many in the texts: a template's file names, and folders of a home.
PLACEHOLDERS = {"routes.py", "service.py", "models.py", "schemas.py", "dependencies.py", "scorer.py", "run/"}


@pytest.fixture(scope="module")
def calls(platform: Platform) -> set[tuple[str, str, str]]:
    """Every call of the running application: method, path and what its caller needs."""
    paths = platform.anonymous.get("/openapi.json").json()["paths"]
    return {(m.upper(), path, about["x-needs"]) for path, methods in paths.items() for m, about in methods.items()}


def rows(table: str) -> list[list[str]]:
    """The cells of a Markdown table, without its header."""
    lines = [line.strip("| ") for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines[2:]]


def code(text: str) -> str:
    return text.strip("`")


def test_every_call_is_on_a_page_with_what_it_needs(calls: set[tuple[str, str, str]]) -> None:
    shown = set()
    for page in api.pages().values():
        for title, text in re.findall(
            r"^## `([A-Z]+ /[^`]+)` \{#[^}]+\}\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL
        ):
            needs = re.search(r"\*\*Needs:\*\* (.+)", text)
            assert needs is not None
            shown.add((title, code(needs.group(1))))
    assert shown == {(f"{method} {path.removeprefix(API)}", needs) for method, path, needs in calls}


def test_the_index_of_calls_links_to_every_call(calls: set[tuple[str, str, str]]) -> None:
    pages = api.pages()
    links = re.findall(r"\[`([^`]+)`\]\(([^#)]+)#([^)]+)\)", pages["index.md"])
    assert {title for title, _, _ in links} == {f"{method} {path.removeprefix(API)}" for method, path, _ in calls}
    assert [anchor for _, page, anchor in links if f"{{#{anchor}}}" not in pages[page]] == []


def test_every_object_that_a_page_links_to_is_on_it() -> None:
    for name, page in api.pages().items():
        linked = set(re.findall(r"\]\(#([^)]+)\)", page))
        assert linked <= set(re.findall(r"\{#([^}]+)\}", page)), name


def test_every_call_is_in_the_row_of_what_it_needs(calls: set[tuple[str, str, str]]) -> None:
    stated: dict[str, set[str]] = {}
    for method, path, needs in calls:
        stated.setdefault(needs, set()).add(f"{method} {path.removeprefix(API)}")
    shown = {code(needs): set(re.findall(r"`([A-Z]+ /[^`]*)`", cell)) for needs, cell in rows(tables.permissions())}
    assert {needs: paths for needs, paths in shown.items() if paths} == stated
    assert set(Permission) <= shown.keys()


def test_every_setting_has_a_row_with_a_description() -> None:
    table = rows(tables.settings())
    assert [code(row[0]) for row in table] == [f"DATAML_{name.upper()}" for name in Settings.model_fields]
    assert all(row[3] for row in table)


def test_every_code_in_the_source_has_a_row() -> None:
    source = "\n".join(
        path.read_text()
        for package in ("dataml", "deployments")
        for path in (ROOT / package).rglob("*.py")
        if not {"demo", "client", "migrations"} & set(path.parts)
    )
    listed = {row.code for row in error_codes.collect()}
    assert set(re.findall(r"\bcode=\"([a-z_]+)\"", source)) <= listed
    assert set(re.findall(r"default_code = .*?\"([a-z_]+)\"", source)) <= listed


def test_every_code_that_a_test_expects_has_a_row() -> None:
    """Also those that the source makes of parts."""
    expected = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        expected |= set(re.findall(r"\[\"code\"\] == \"([a-z_]+)\"|\.code == \"([a-z_]+)\"", path.read_text()))
    listed = {row.code for row in error_codes.collect()}
    assert {first or second for first, second in expected} - {"a_code"} <= listed | WARNING_CODES.keys()


@pytest.mark.parametrize(
    ("code", "statuses", "is_rule"),
    [
        ("dataset_exists", {409}, False),  # a literal of an error
        ("ragged_row", {422}, False),  # passed to a function that raises
        ("template_not_found", {404}, False),  # made of a noun
        ("bad_minimum", {422}, False),  # made of a name
        ("several_targets", {422}, False),  # one of two
        ("unknown_attribute", {422}, False),  # returned in a tuple
        ("worker_lost", set(), False),  # of a job alone
        ("below_minimum", set(), True),  # yielded by a generator
        ("not_unique", set(), True),  # a constant of a module
    ],
)
def test_a_code_has_the_status_of_its_error(code: str, statuses: set[int], is_rule: bool) -> None:
    (row,) = [row for row in error_codes.collect() if row.code == code]
    assert (row.statuses, row.is_rule) == (statuses, is_rule)


def test_every_page_is_in_the_navigation(tmp_path: Path) -> None:
    target = tmp_path / "docs"
    pages = generator.build(target)
    assert generator.missing_from_navigation(pages, target) == []
    assert [page for page in pages if "<!-- generate" in page.read_text()] == []


def test_a_page_outside_the_navigation_is_noticed(tmp_path: Path) -> None:
    assert generator.missing_from_navigation([tmp_path / "new.md"], tmp_path) == ["new.md"]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_what_exists(page: Path, calls: set[tuple[str, str, str]]) -> None:
    """Paths of the repository, settings, and calls."""
    text = page.read_text()
    for path in re.findall(r"`([\w./-]+(?:\.py|/))`", text):
        is_of_the_repository = not path.startswith((".", "/")) and path not in PLACEHOLDERS
        assert not is_of_the_repository or any((ROOT / base / path).exists() for base in BASES), path
    settings = set(re.findall(r"\bDATAML_[A-Z_]*[A-Z]\b", text))
    others = {"DATAML_TEST_COLUMNS", "DATAML_TEST_DATABASE", *CLIENT_VARIABLES}
    assert settings - {f"DATAML_{name.upper()}" for name in Settings.model_fields} <= others
    shown = {f"{method} {re.sub(r'{[^}]*}', '{}', path.removeprefix(API))}" for method, path, _ in calls}
    for method, path in re.findall(r"`(GET|POST|PUT|DELETE) (/[^`?]*)[`?]", text):
        assert f"{method} {re.sub(r'{[^}]*}', '{}', path.removeprefix(API).rstrip('/'))}" in shown, path


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_the_links_of_a_page_at_the_root_lead_to_files(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / name).read_text())
    assert [link for link in links if not link.startswith("https://") and not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", ARCHITECTURE, ids=lambda page: page.stem)
def test_a_page_of_the_architecture_has_one_diagram_and_short_paragraphs(page: Path) -> None:
    text = page.read_text()
    assert text.count("```mermaid") == 1
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:- |\d+\. |\|))", prose):
        assert paragraph.count("\n") < 6, paragraph
