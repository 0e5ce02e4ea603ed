"""Values that the training has not seen are noticed in single rows and counted in tables."""

import json
from typing import Any

import pyarrow as pa
import pytest

from dataml.contract.types import DataType
from dataml.ml.encoding import EncodedColumn, Encoding
from dataml.ml.input_checks import InputChecks, InputCounter, find_boolean_texts


def texts(name: str, *vocabulary: str, has_other: bool = False) -> EncodedColumn:
    return EncodedColumn(name, name, DataType.STRING, Encoding.CATEGORY, vocabulary, has_other)


LAYOUT = [
    texts("colour", "red", "green"),
    texts("place", "a", has_other=True),
    EncodedColumn("code", "code", DataType.INTEGER, Encoding.CATEGORY, ("10", "20")),
    EncodedColumn("age", "age", DataType.INTEGER, Encoding.NUMBER),
]
CHECKS = InputChecks(LAYOUT, {"age": (18, 80)})
ROW: dict[str, Any] = {"colour": "red", "place": "anywhere", "code": 20, "age": 80}


@pytest.mark.parametrize("changes", [{}, {"age": None, "colour": None, "code": None}, {"age": 18}, {"place": "z"}])
def test_known_and_missing_values_have_no_warnings(changes: dict[str, Any]) -> None:
    assert CHECKS.check_row(ROW | changes) is None


def test_each_unseen_value_of_a_row_has_a_warning() -> None:
    found = CHECKS.check_row(ROW | {"age": 81, "colour": "violet", "code": 30})
    assert found is not None
    assert [(w.code, w.column, w.count, w.examples) for w in found] == [
        ("out_of_range", "age", 1, ("81",)),
        ("unseen_category", "colour", 1, ("violet",)),
        ("unseen_category", "code", 1, ("30",)),
    ]
    assert "from 18 to 80" in found[0].message


def test_a_model_without_ranges_warns_of_categories_only() -> None:
    found = InputChecks(LAYOUT, None).check_row(ROW | {"age": 1_000, "colour": "violet"})
    assert [w.column for w in found or ()] == ["colour"]


def test_tables_are_counted_together() -> None:
    counter = InputCounter(CHECKS)
    counter.add(
        pa.table({"colour": ["red", "violet", None], "place": ["x"] * 3, "code": [10, 30, None], "age": [18, 80, None]})
    )
    counter.add(pa.table({"colour": ["pink", "violet"], "place": ["x"] * 2, "code": [10, 20], "age": [7, 99]}))
    counter.add(pa.table({"colour": ["red"], "place": ["x"], "code": [10], "age": [50]}).slice(0, 0))
    assert [(w.code, w.column, w.count, w.examples) for w in counter.warnings()] == [
        ("out_of_range", "age", 2, ("7", "99")),
        ("unseen_category", "colour", 3, ("violet", "pink")),
        ("unseen_category", "code", 1, ("30",)),
    ]


def test_at_most_five_examples_are_kept() -> None:
    counter = InputCounter(CHECKS)
    rows = 70
    counter.add(
        pa.table(
            {"colour": [f"c{n}" for n in range(rows)], "place": ["a"] * rows, "code": [10] * rows, "age": [20] * rows}
        )
    )
    (warning,) = counter.warnings()
    assert (warning.count, warning.examples) == (70, ("c0", "c1", "c2", "c3", "c4"))


@pytest.mark.parametrize("size", [1, 3, 40])
def test_warnings_do_not_depend_on_how_rows_are_divided(size: int) -> None:
    rows = 120
    colours = ["red" if n % 3 else f"c{n % 4 if n < 60 else n}" for n in range(rows)]
    codes = [30 + n % 2 if n > 10 else 10 for n in range(rows)]
    ages = [90 + n // 20 if n % 7 == 0 else 20 for n in range(rows)]
    table = pa.table({"colour": colours, "place": ["a"] * rows, "code": codes, "age": ages})
    whole, added, merged = InputCounter(CHECKS), InputCounter(CHECKS), InputCounter(CHECKS)
    whole.add(table)
    for start in range(0, rows, size):
        part = InputCounter(CHECKS)
        for counter in (part, added):
            counter.add(table.slice(start, size))
        merged.merge(json.loads(json.dumps(part.counts())))
    assert len(whole.warnings()) == 3
    assert added.warnings() == whole.warnings()
    assert merged.warnings() == whole.warnings()


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [
        (("True", "False"), ("False", "True")),
        (("maybe", "true", "false"), ("false", "true")),
        (("0", "1", "?"), ("0", "1")),
        (("Y", "N"), ("N", "Y")),
        (("0", "1", "2"), None),
        (("true", "True", "false"), None),
        (("true", "false", "yes", "no"), None),
        (("true",), None),
        (("red", "green"), None),
    ],
)
def test_the_spelling_of_booleans_is_that_of_the_training(
    vocabulary: tuple[str, ...], expected: tuple[str, str] | None
) -> None:
    found = find_boolean_texts([texts("x", *vocabulary)])
    assert found == ({} if expected is None else {"x": expected})


def test_a_long_number_is_written_with_all_its_digits() -> None:
    layout = [EncodedColumn("ts", "ts", DataType.INTEGER, Encoding.NUMBER)]
    checks = InputChecks(layout, {"ts": (1_700_000_000, 1_700_000_400)})
    (warning,) = checks.check_row({"ts": 1_700_000_401}) or ()
    assert warning.message == "'ts' is 1700000401; the training dataset had values from 1700000000 to 1700000400."
