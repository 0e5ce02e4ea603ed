"""What a model got wrong: segments, the worst rows, and typical rows."""

import itertools
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation.row_errors import RowErrors, describe_features, list_worst_rows
from dataml.ml.evaluation.segments import score_segments

CLASSES = ["no", "yes"]


def task(kind: str) -> Task:
    return Task(0 if kind == "regression" else 2)


def class_errors() -> RowErrors:
    """Ten rows: of the last five, the first three are wrong, the one in the middle most clearly."""
    truth = np.array([0, 1] * 5)
    right = np.array([0.9] * 5 + [0.4, 0.01, 0.3, 0.8, 0.7])
    predicted = np.where(np.arange(2) == truth[:, None], right[:, None], 1 - right[:, None])
    return RowErrors.measure(task("classes"), truth, predicted, CLASSES)


def segments_of(values: pa.Array, errors: RowErrors) -> list[dict[str, Any]]:
    scored = score_segments(pa.table({"x": values}), ["x"], errors)
    return scored["columns"][0]["segments"] if scored["columns"] else []


def test_segments_have_the_accuracy_of_their_rows() -> None:
    found = segments_of(pa.array(["a"] * 5 + ["b"] * 5), class_errors())
    assert found == [{"value": "a", "rows": 5, "score": 1.0}, {"value": "b", "rows": 5, "score": 0.4}]


def test_missing_and_rare_values_are_segments_of_their_own() -> None:
    errors = RowErrors.measure(task("classes"), np.zeros(30, int), np.tile([0.9, 0.1], (30, 1)), CLASSES)
    values = [f"v{n:02}" for n in range(20)] + ["often"] * 8 + [None] * 2
    found = segments_of(pa.array(values), errors)
    assert found[0] == {"value": "often", "rows": 8, "score": 1.0}
    assert [each for each in found if each.get("is_other")] == [{"is_other": True, "rows": 11, "score": 1.0}]
    assert found[-1] == {"is_missing": True, "rows": 2, "score": 1.0}
    assert sum(each["rows"] for each in found) == 30


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (pa.array([float(n) for n in range(100)]), 0.0, 99.0),
        (pa.array([date(2024, 1, 1 + n % 28) for n in range(100)]), "2024-01-01", "2024-01-28"),
    ],
    ids=["floats", "dates"],
)
def test_numbers_and_times_are_segments_by_range(values: pa.Array, low: Any, high: Any) -> None:
    truth = np.arange(100.0)
    errors = RowErrors.measure(task("regression"), truth, truth + np.where(truth < 50, 1.0, -3.0), [])
    found = segments_of(values, errors)
    assert len(found) == 5
    assert (found[0]["low"], found[-1]["high"]) == (low, high)
    assert all(earlier["high"] < later["low"] for earlier, later in itertools.pairwise(found))
    assert sum(each["rows"] for each in found) == 100
    assert sum(each["rows"] * each["score"] for each in found) == pytest.approx(200)
    assert sum(each["rows"] * each["bias"] for each in found) == pytest.approx(-100)


def test_columns_that_differ_most_come_first_and_constant_ones_are_left_out() -> None:
    table = pa.table({"same": ["s"] * 10, "little": list("ababababab"), "much": ["a"] * 5 + ["b"] * 5})
    scored = score_segments(table, ["same", "little", "much"], class_errors())
    assert [each["column"] for each in scored["columns"]] == ["much", "little"]
    assert scored["metric"] == "accuracy"


def test_worst_rows_are_those_that_are_most_clearly_wrong() -> None:
    worst = list_worst_rows(pa.table({"x": list(range(10))}), np.arange(100, 110), class_errors())
    assert [row["row"] for row in worst[:3]] == [106, 107, 105]
    assert worst[0]["truth"] == "no"
    assert worst[0]["predicted"] == "yes"
    assert worst[0]["probability"] == pytest.approx(0.99)
    assert worst[0]["values"] == {"x": 6}


def test_worst_rows_of_a_regression_have_the_largest_errors_and_no_right_ones() -> None:
    truth = np.array([1.0, 2.0, 3.0])
    errors = RowErrors.measure(task("regression"), truth, np.array([1.0, 2.5, 1.0]), [])
    worst = list_worst_rows(pa.table({"t": ["x" * 300, None, "c"]}), np.arange(3), errors)
    assert [(row["truth"], row["predicted"], row["loss"]) for row in worst] == [(3.0, 1.0, 2.0), (2.0, 2.5, 0.5)]
    assert worst[1]["values"] == {"t": None}


def test_typical_values_are_of_the_rows() -> None:
    table = pa.table(
        {
            "number": [5, 1, None, 9],
            "text": ["b", "a", "b", "x" * 300],
            "flag": [True, None, True, False],
            "day": [date(2024, 1, 3), None, date(2024, 1, 1), date(2024, 1, 2)],
            "nothing": pa.nulls(4, pa.string()),
        }
    )
    assert describe_features(table, table.column_names) == {
        "number": {"typical": 5},
        "text": {"typical": "b", "categories": ["b", "a"]},
        "flag": {"typical": True},
        "day": {"typical": "2024-01-02"},
        "nothing": {"typical": None},
    }
