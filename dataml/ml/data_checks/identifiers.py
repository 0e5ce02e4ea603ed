"""Features that name or number the rows, and texts with more values than there are codes."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

import re
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.types import DataType
from dataml.contract.warnings import DataWarning
from dataml.ml.preprocessing import IDENTIFIER_SHARE, MAX_CATEGORIES

MIN_ROWS: Final = 50
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LAST_WORDS: Final = frozenset(
    {"id", "ids", "uuid", "guid", "key", "pk", "index", "idx", "rowid", "nr", "no", "number"}
)
_DENSE: Final = 1.5
_SPARSE: Final = 20
_RISING_SHARE: Final = 0.99


def find_identifier(name: str, values: pa.ChunkedArray, places: np.ndarray, share: float = 1.0) -> list[DataWarning]:
    """Return a warning if whole numbers look like an identifier or a running number.

    Nearly all of them differ, and one of these holds: the name says it; they fill their range (as ids from 1 to n do);
    they rise with the row number and leave few gaps.

    Args:
        name: the feature.
        values: its integers.
        places: the row number of each in the file.
        share: the part of all rows that they are, when they are a sample.
    """
    is_present = values.is_valid().to_numpy()
    numbers, places = values.drop_null().to_numpy(), places[is_present]
    distinct = pc.count_distinct(values).as_py()
    if len(numbers) < MIN_ROWS or distinct < IDENTIFIER_SHARE * len(numbers):
        return []
    span = (int(numbers.max()) - int(numbers.min()) + 1) * share
    if span < IDENTIFIER_SHARE * distinct:
        return []  # the values of all rows cannot differ
    is_rising = bool((np.diff(numbers[np.argsort(places)]) > 0).mean() >= _RISING_SHARE)
    if not (is_identifier_name(name) or span <= _DENSE * distinct or (is_rising and span <= _SPARSE * distinct)):
        return []
    order = " and rise with the row number" if is_rising else ""
    message = (
        f"'{name}' looks like an identifier: {distinct / len(numbers):.0%} of the values differ{order}. A model learns "
        "the rows from it, and nothing about new ones: give it the role Id or Ignore, or the hint category."
    )
    return [DataWarning("identifier_feature", message, name, None, tuple(map(str, numbers[:3].tolist())))]


def is_identifier(name: str, data_type: DataType, values: pa.ChunkedArray) -> bool:
    """Return whether a column has another value in each row that has one, and names or numbers the rows.

    Texts do when they are all different, integers when `find_identifier` says so as well. Floats are amounts.
    """
    present = len(values) - values.null_count
    if data_type not in (DataType.STRING, DataType.INTEGER) or present < MIN_ROWS:
        return False
    if pc.count_distinct(values).as_py() < present:
        return False
    return data_type is DataType.STRING or bool(find_identifier(name, values, np.arange(len(values))))


def is_identifier_name(name: str) -> bool:
    """Return whether a column is named like an identifier: `id`, `order_id`, `CustomerID`, `id_of_row`."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return bool(words) and (words[0] == "id" or words[-1] in _LAST_WORDS)


def warn_of_dropped_identifier(name: str) -> DataWarning:
    """Return the warning about a text feature that was left out, since nearly all its texts differ."""
    message = (
        f"'{name}' is left out: nearly every text is different, as in an identifier. Give it the role Id or Ignore."
    )
    return DataWarning("identifier_feature", message, name)


def warn_of_many_values(name: str, values: pa.ChunkedArray) -> DataWarning:
    """Return the warning about a text feature with more values than codes."""
    counts = pc.value_counts(values.drop_null())
    rows = np.sort(counts.field("counts").to_numpy())[::-1]
    shared = int(rows[MAX_CATEGORIES - 1 :].sum())
    message = (
        f"'{name}' has {len(rows):,} different texts: the {MAX_CATEGORIES - 1} most frequent have codes of their own, "
        f"and the others, of {shared:,} rows, count as one. Group them into fewer, or split the text into several "
        "columns."
    )
    return DataWarning("many_values", message, name, len(rows))
