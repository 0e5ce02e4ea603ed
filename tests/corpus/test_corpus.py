"""Every file of the corpus is read as its YAML file says, from the upload's check to the kept rows."""

from pathlib import Path
from typing import Any

import pytest

from dataml.errors import Invalid
from tests.corpus.cases import FOLDER, BrokenCase, Reading, Refusal, find_data_file, list_case_files, load_case
from tests.corpus.reading import read_case


def with_types(row: dict[str, Any] | None) -> dict[str, tuple[str, Any]] | None:
    """Return the values with their types: to Python, True is 1 and 1 is 1.0."""
    return None if row is None else {name: (type(value).__name__, value) for name, value in row.items()}


def compare(found: Reading, expected: Reading) -> None:
    assert found.columns == expected.columns
    assert list(found.columns) == list(expected.columns)
    assert (found.total_rows, found.kept_rows, found.errors) == (
        expected.total_rows,
        expected.kept_rows,
        expected.errors,
    )
    assert found.warnings == expected.warnings
    assert with_types(found.first_row) == with_types(expected.first_row)
    assert with_types(found.last_row) == with_types(expected.last_row)


@pytest.mark.parametrize("case_file", list_case_files(), ids=lambda path: path.stem)
def test_file_is_read_as_it_was_meant(case_file: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    case = load_case(case_file)
    if case.pending:
        request.applymarker(pytest.mark.xfail(reason=case.pending, strict=True))
    if isinstance(case.expected, Refusal):
        with pytest.raises(Invalid) as caught:
            read_case(case, tmp_path)
        assert caught.value.code == case.expected.code
        assert [word for word in case.expected.words if word not in caught.value.detail] == [], caught.value.detail
    else:
        compare(read_case(case, tmp_path), case.expected)


def test_every_file_belongs_to_a_case() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {
        path.name for case_file in list_case_files() for path in (case_file, find_data_file(case_file))
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("about: x\nrefused: ragged_row\nrows: {total: 1, kept: 1}", "nothing compares: rows"),
        ("about: x\nrefused: ragged_row\nrefused: other", "occurs twice"),
        ("about: x\nrefused: ragged_row\nmessage: Line 2", "list of texts"),
        ("refused: ragged_row", "about"),
        ("about: x\noptions: {separator: x}\nrefused: ragged_row", "separator"),
        ("about: x\ncolumns: {a: Integer}\nfirst_row: {a: 1}\nlast_row: {a: 1}", "rows"),
        ("about: x\ncolumns: {a: Number}\nrows: {total: 1, kept: 1}", "no description of a column"),
        ("about: x\ncolumns: {a: {type: Float, format: x}}\nrows: {total: 1, kept: 1}", "no description of a column"),
        ("about: x\ncolumns: {a: Float}\nrows: {total: 2, kept: 1}\nfirst_row: {a: 1}", "exactly where rows"),
        ("about: x\ncolumns: {a: Float}\nrows: {total: 1, kept: 1}\nfirst_row: {b: 1}", "names of `columns`"),
        ("about: x\ntemplate: [{name: a, type: Float, kind: b}]\nrefused: x", "has no kind"),
    ],
)
def test_broken_case_is_named(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(BrokenCase, match=problem):
        load_case(tmp_path / "a.yaml")


def test_case_without_its_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("about: x\nrefused: ragged_row\n")
    with pytest.raises(BrokenCase, match=r"a\.yaml"):
        load_case(tmp_path / "a.yaml")
