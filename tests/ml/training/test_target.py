"""The target of a training is numbers or classes; a refusal says what would do."""

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataml.contract.types import DataType
from dataml.errors import Conflict, Invalid
from dataml.ml.training.target import check_classes, check_numbers, read_classes, read_numbers


def column(values: list[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([values])


def refusal(check: Any, data_type: DataType, values: list[Any], **options: Any) -> Invalid:
    with pytest.raises(Invalid) as raised:
        check("y", data_type, column(values), **options)
    return raised.value


def test_numbers_are_read_as_they_are() -> None:
    target = read_numbers("y", DataType.INTEGER, column([3, 1, 2]))
    assert (target.values.tolist(), target.classes, target.positive_class) == ([3.0, 1.0, 2.0], None, None)
    assert target.task.is_regression


def test_whole_floats_are_integer_classes() -> None:
    target = read_classes("y", DataType.FLOAT, column([2.0, 0.0, 1.0, 2.0]))
    assert (target.classes, target.values.tolist(), target.data_type) == ((0, 1, 2), [2, 0, 1, 2], DataType.INTEGER)
    assert all(isinstance(value, int) for value in target.classes or ())
    assert target.positive_class is None
    zeros = read_classes("y", DataType.FLOAT, column([0.0, -0.0, 1.0]))
    assert (zeros.classes, zeros.values.tolist()) == ((0, 1), [0, 0, 1])


def test_the_positive_class_is_the_named_one_or_the_rarer_one() -> None:
    labels = column(["legit"] * 8 + ["cheat"] * 2)
    assert read_classes("y", DataType.STRING, labels).positive_class == "cheat"
    named = read_classes("y", DataType.STRING, labels, positive_class="legit")
    assert (named.positive_class, named.positive) == ("legit", 1)
    assert read_classes("y", DataType.FLOAT, column([5.0, 7.0, 7.0]), positive_class="7").positive_class == 7


def test_the_classes_of_a_continued_model_stay() -> None:
    target = read_classes("y", DataType.STRING, column(["b", "a"]), known=("b", "a", "c"))
    assert (target.classes, target.values.tolist()) == (("b", "a", "c"), [0, 1])
    with pytest.raises(Conflict, match="'y': c"):
        read_classes("y", DataType.STRING, column(["b", "c"]), known=("a", "b"))


def test_a_float_with_fractions_is_refused_with_what_would_do() -> None:
    error = refusal(check_classes, DataType.FLOAT, [1.0, 0.37, 2.0])
    assert error.code == "target_not_a_class"
    assert all(word in error.detail for word in ("0.37", "Regression", "template", "String"))
    assert refusal(check_classes, DataType.FLOAT, [1e300, 2.0]).code == "target_not_a_class"


def test_a_date_is_no_class_and_no_number() -> None:
    days = [date(2024, 1, 1), date(2024, 1, 2)]
    assert refusal(check_classes, DataType.DATE, days).code == "target_not_a_class"
    assert refusal(check_numbers, DataType.DATE, days).code == "target_not_numeric"


def test_numbers_stored_as_text_are_counted() -> None:
    error = refusal(check_numbers, DataType.STRING, ["1.5", "2", "unknown", "unknown", "7"])
    assert error.code == "target_not_numeric"
    assert all(word in error.detail for word in ("3 of 5 rows", "'unknown' (2)", "template", "Float", "missing_values"))


@pytest.mark.parametrize(
    ("data_type", "values", "hint"),
    [(DataType.STRING, ["a", "b"], "none of its values"), (DataType.BOOLEAN, [True, False], "Classification")],
)
def test_what_is_no_number_is_a_class(data_type: DataType, values: list[Any], hint: str) -> None:
    error = refusal(check_numbers, data_type, values)
    assert (error.code, hint in error.detail) == ("target_not_numeric", True)


@pytest.mark.parametrize(
    ("data_type", "values", "hint"),
    [
        (DataType.INTEGER, list(range(1_001)), "Regression"),
        (DataType.FLOAT, np.arange(1_001.0).tolist(), "Regression"),
        (DataType.STRING, [f"c{n}" for n in range(1_001)], "Id"),
    ],
)
def test_too_many_classes_are_refused_by_what_they_are(data_type: DataType, values: list[Any], hint: str) -> None:
    error = refusal(check_classes, data_type, values)
    assert (error.code, hint in error.detail) == ("too_many_classes", True)


def test_a_constant_is_refused() -> None:
    assert refusal(check_numbers, DataType.FLOAT, [2.5, 2.5]).code == "constant_target"
    assert refusal(check_classes, DataType.STRING, ["a", "a"]).code == "constant_target"


def test_a_positive_class_that_is_none_of_two_is_refused() -> None:
    unknown = refusal(check_classes, DataType.STRING, ["a", "b"], positive_class="c")
    assert (unknown.code, "'a' or 'b'" in unknown.detail) == ("bad_positive_class", True)
    several = refusal(check_classes, DataType.STRING, ["a", "b", "c"], positive_class="c")
    assert (several.code, "has 3" in several.detail) == ("bad_positive_class", True)
