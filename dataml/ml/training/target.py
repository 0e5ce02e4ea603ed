"""The target of a training: numbers, or codes of classes, and why a column can be neither."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.dates import InvalidValue
from dataml.contract.types import DataType
from dataml.contract.values import parse_value
from dataml.errors import Conflict, Invalid
from dataml.ml.boosters.native_model import Task
from dataml.ml.labels import shorten, to_label
from dataml.ml.positive_class import choose_positive_class, find_class

MAX_CLASSES: Final = 1_000
MIN_ROWS: Final = 20
_NUMERIC: Final = (DataType.INTEGER, DataType.FLOAT)
_MAX_WHOLE: Final = 2.0**63
_MAX_SHOWN: Final = 3
_CHANGE_TYPE: Final = "upload the dataset with a template in which it is"


@dataclass(frozen=True)
class TrainingTarget:
    """The target of a training.

    Attributes:
        name: the column.
        values: numbers, or codes into `classes` (rows,).
        classes: the values in order; None for a regression.
        data_type: the type of the classes or numbers. Classes of a Float column are Integers.
        positive: the code of the positive one of two classes.
    """

    name: str
    values: np.ndarray
    classes: tuple[Any, ...] | None
    data_type: DataType
    positive: int = 1

    @property
    def task(self) -> Task:
        """The learning task: a regression, or a classification of so many classes."""
        return Task(len(self.classes or ()))

    @property
    def positive_class(self) -> Any:
        """The positive one of two classes; None where there is none."""
        return self.classes[self.positive] if self.classes is not None and len(self.classes) == 2 else None


def check_row_count(name: str, rows: int) -> None:
    """Refuse a target with too few values to learn from and to score on.

    Raises:
        Invalid: `too_few_rows`.
    """
    if rows < MIN_ROWS:
        raise Invalid(f"{rows} rows have a value in '{name}'; training needs {MIN_ROWS}.", code="too_few_rows")


def read_numbers(name: str, data_type: DataType, column: pa.ChunkedArray) -> TrainingTarget:
    """Return the target of a regression; `column` has no missing values.

    Raises:
        Invalid: `target_not_numeric`, `constant_target`.
    """
    check_numbers(name, data_type, column)
    return TrainingTarget(name, column.cast(pa.float64(), safe=False).to_numpy(), None, data_type)


def read_classes(
    name: str,
    data_type: DataType,
    column: pa.ChunkedArray,
    known: tuple[Any, ...] | None = None,
    positive_class: object = None,
) -> TrainingTarget:
    """Return the target of a classification; `column` has no missing values.

    Args:
        name: the column.
        data_type: its type.
        column: its values.
        known: the classes of a model that is continued; otherwise they are all values of the column, sorted.
        positive_class: a value that names the positive one of two classes; otherwise the labels or the counts say it.

    Raises:
        Invalid: `target_not_a_class`, `too_many_classes`, `constant_target`, `bad_positive_class`.
        Conflict: `new_class`.
    """
    classes = check_classes(name, data_type, column, positive_class)
    if data_type is DataType.FLOAT:
        data_type, column = DataType.INTEGER, column.cast(pa.int64())
    if known is not None:
        new = [to_label(value) for value in classes if value not in known]
        if new:
            raise Conflict(f"The model does not know these classes of '{name}': {', '.join(new)}.", code="new_class")
        classes = list(known)
    codes = pc.index_in(column, value_set=pa.array(classes, data_type.arrow)).to_numpy().astype(np.int64)
    positive = 1
    if len(classes) == 2:
        named = None if positive_class is None else find_class(classes, positive_class, data_type)
        counts = np.bincount(codes, minlength=2).tolist()
        positive = choose_positive_class(classes, counts) if named is None else named
    return TrainingTarget(name, codes, tuple(classes), data_type, positive)


def check_numbers(name: str, data_type: DataType, column: pa.ChunkedArray) -> None:
    """Refuse a column that a regression cannot predict.

    Raises:
        Invalid: `target_not_numeric`, `constant_target`.
    """
    if data_type not in _NUMERIC:
        raise Invalid(_explain_not_numeric(name, data_type, column), code="target_not_numeric")
    if len(pc.unique(column)) < 2:
        raise _constant_target(name)


def check_classes(name: str, data_type: DataType, column: pa.ChunkedArray, positive_class: object = None) -> list[Any]:
    """Return the sorted classes of a column, and refuse one that a classification cannot predict.

    Raises:
        Invalid: `target_not_a_class`, `too_many_classes`, `constant_target`, `bad_positive_class`.
    """
    if data_type.is_temporal:
        detail = f"The target '{name}' is a {data_type}, which has no classes; {_CHANGE_TYPE} a String."
        raise Invalid(detail, code="target_not_a_class")
    distinct = pc.unique(column)
    if data_type is DataType.FLOAT:
        distinct = _to_whole_numbers(name, distinct)
    if len(distinct) > MAX_CLASSES:
        raise Invalid(_explain_too_many_classes(name, data_type, len(distinct)), code="too_many_classes")
    if len(distinct) < 2:
        raise _constant_target(name)
    classes = sorted(distinct.to_pylist())
    if positive_class is not None:
        _check_positive_class(name, data_type, classes, positive_class)
    return classes


def _check_positive_class(name: str, data_type: DataType, classes: list[Any], positive_class: object) -> None:
    if len(classes) != 2:
        detail = f"positive_class is for two classes; the target '{name}' has {len(classes):,}."
        raise Invalid(detail, code="bad_positive_class")
    if find_class(classes, positive_class, data_type) is None:
        labels = " or ".join(repr(shorten(to_label(value))) for value in classes)
        raise Invalid(
            f"positive_class is one of the classes of the target '{name}': {labels}.", code="bad_positive_class"
        )


def _to_whole_numbers(name: str, distinct: pa.Array) -> pa.Array:
    numbers = distinct.to_numpy(zero_copy_only=False)
    is_whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < _MAX_WHOLE)
    if is_whole.all():
        return pc.unique(distinct.cast(pa.int64()))  # 0.0 and -0.0 differ for Arrow
    others = ", ".join(f"{number:g}" for number in numbers[~is_whole][:_MAX_SHOWN])
    detail = (
        f"The target '{name}' is Float and has values that are no whole numbers, such as {others}. Train a Regression; "
        f"or, if each number is a class, {_CHANGE_TYPE} a String."
    )
    raise Invalid(detail, code="target_not_a_class")


def _explain_too_many_classes(name: str, data_type: DataType, count: int) -> str:
    start = f"The target '{name}' has {count:,} different values; a classification takes {MAX_CLASSES:,} classes. "
    if data_type in _NUMERIC:
        return start + "If they are amounts, train a Regression; if they number the rows, its role is Id."
    return start + "If they name the rows or are free text, its role is Id or Ignore, and another column is the Target."


def _explain_not_numeric(name: str, data_type: DataType, column: pa.ChunkedArray) -> str:
    start = f"A regression predicts a number; the target '{name}' is {data_type}"
    if data_type is DataType.BOOLEAN:
        return f"{start}: train a Classification, or {_CHANGE_TYPE} an Integer."
    if data_type.is_temporal:
        return f"{start}: {_CHANGE_TYPE} a number, or name another column as the Target."
    counts = pc.value_counts(column).to_pylist()
    others = {each["values"]: each["counts"] for each in counts if not _is_number(each["values"])}
    rows, other_rows = len(column), sum(others.values())
    if other_rows == rows:
        return f"{start}, and none of its values is a number: train a Classification, or name another Target."
    frequent = sorted(others.items(), key=lambda item: (-item[1], item[0]))[:_MAX_SHOWN]
    shown = ", ".join(f"{shorten(text)!r} ({count:,})" for text, count in frequent)
    rest = f"; not {shown}" if others else ""
    return (
        f"{start}, with numbers in {rows - other_rows:,} of {rows:,} rows{rest}. {_CHANGE_TYPE.capitalize()} a Float: "
        "its missing_values names what stands for a missing value, and rows with other texts are set aside."
    )


def _is_number(text: str) -> bool:
    try:
        return parse_value(text, DataType.FLOAT) is not None
    except InvalidValue:
        return False


def _constant_target(name: str) -> Invalid:
    detail = f"The target '{name}' has the same value in every row; there is nothing to learn."
    return Invalid(detail, code="constant_target")
