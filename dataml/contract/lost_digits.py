"""Search for numbers that have more digits than a float holds, in the columns that are read as Float."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import to_text
from dataml.contract.warnings import MAX_EXAMPLES, DataWarning

# Numbers of up to 15 significant digits come back from a float unchanged; of 16 and 17 only some.
_MAX_SAFE_DIGITS: Final = 15
_MAX_DIGITS: Final = 17


def find_lost_digits(batches: Iterable[pa.RecordBatch]) -> list[DataWarning]:
    """Return a warning for each column whose decimals or whole numbers a float does not hold.

    Args:
        batches: the columns that are read as Float, of one file or table. Reading ends after the first batch when no
            column is one of decimals or of whole numbers.
    """
    lost: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for batch in batches:
        exact = [name for name, kind in zip(batch.schema.names, batch.schema.types, strict=True) if _is_exact(kind)]
        if not exact:
            break
        for name in exact:
            texts = _select_lost(batch.column(name))
            counts[name] = counts.get(name, 0) + len(texts)
            examples = lost.setdefault(name, [])
            examples += texts.slice(0, MAX_EXAMPLES - len(examples)).to_pylist()
    return [_warn(name, counts[name], lost[name]) for name in lost if counts[name]]


def _is_exact(kind: pa.DataType) -> bool:
    return pa.types.is_decimal(kind) or pa.types.is_int64(kind) or pa.types.is_uint64(kind)


def _select_lost(cells: pa.Array) -> pa.Array:
    """Return the numbers, as text, that differ from what a float of them is written as."""
    texts = to_text(cells).drop_null()
    digits = pc.replace_substring_regex(texts, "[-.]", "")
    digits = pc.ascii_trim(digits, "0") if len(digits) else digits
    lengths = pc.binary_length(digits)
    is_lost = pc.greater(lengths, _MAX_DIGITS)
    is_open = pc.and_(pc.greater(lengths, _MAX_SAFE_DIGITS), pc.invert(is_lost))
    if pc.any(is_open).as_py():
        distinct = texts.filter(is_open).unique()
        changed = [text for text in distinct.to_pylist() if Decimal(repr(float(text))) != Decimal(text)]
        is_lost = pc.or_(is_lost, pc.is_in(texts, value_set=pa.array(changed, pa.string())))
    return texts.filter(is_lost)


def _warn(column: str, count: int, examples: list[str]) -> DataWarning:
    values = "1 value of" if count == 1 else f"{count:,} values of"
    message = (
        f"{values} `{column}` have more digits than a Float holds, about 17, such as {examples[0][:60]}. To keep "
        "every digit, upload with a template in which the column is String."
    )
    return DataWarning("digits_lost", message, column, count, tuple(examples))
