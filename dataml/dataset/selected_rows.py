"""Reads rows of a stored Parquet file in another order, or those with given values; blocking, for a thread."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.dataset.previews import row_to_json
from dataml.db.scope import Page
from dataml.errors import Invalid

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

_BATCH_ROWS: Final = 16_384
# The rows of a page may lie anywhere in the file: this many cells are read within seconds.
_MAX_SORTED_CELLS: Final = 100_000_000


def parse_sort(contract: Contract, sort: str) -> tuple[str, bool]:
    """Return the column that rows are sorted by, and whether descending: `-` before a column of the contract.

    Raises:
        Invalid: `unknown_column`.
    """
    is_descending = sort.startswith("-") and sort not in contract.names
    return contract.column(sort[1:] if is_descending else sort).name, is_descending


def read_sorted(
    parquet: Path, columns: Sequence[str] | None, page: Page, by: str, *, descending: bool
) -> list[dict[str, Any]]:
    """Return a page of the rows, sorted by a column: text in any case of letters, missing values last.

    Rows with the same value stay in file order.

    Raises:
        Invalid: `too_many_rows_to_sort`.
    """
    with pq.ParquetFile(parquet) as file:
        names = list(columns) if columns is not None else file.schema_arrow.names
        if file.metadata.num_rows * len(names) > _MAX_SORTED_CELLS:
            detail = f"At most {_MAX_SORTED_CELLS:,} cells can be sorted; ask for fewer columns."
            raise Invalid(detail, code="too_many_rows_to_sort")
        keys = _sort_keys(file.read(columns=[by]).column(by))
        order = "descending" if descending else "ascending"
        indices = pc.sort_indices(keys, sort_keys=[("", order)])
        return _take(file, names, indices.slice(page.offset, page.limit).to_pylist())


def read_matching(
    parquet: Path, columns: Sequence[str], page: Page, values: Mapping[str, str]
) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of rows that have these values in these text columns, and a page of them in file order."""
    matching: list[int] = []
    with pq.ParquetFile(parquet) as file:
        start = 0
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(values)):
            is_match = pa.array([True] * batch.num_rows)
            for name, value in values.items():
                is_match = pc.and_kleene(is_match, pc.equal(batch.column(name).cast(pa.string()), value))
            matching += (start + place for place in pc.indices_nonzero(is_match).to_pylist())
            start += batch.num_rows
        return len(matching), _take(file, columns, matching[page.offset : page.offset + page.limit])


def _sort_keys(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_boolean(column.type):
        return column.cast(pa.int8())
    return pc.utf8_lower(column) if pa.types.is_string(column.type) else column


def _take(file: pq.ParquetFile, columns: Sequence[str], places: Sequence[int]) -> list[dict[str, Any]]:
    """Return the rows at these places of the file, in this order; only the row groups that hold one are read."""
    rows: dict[int, dict[str, Any]] = {}
    start = 0
    for group in range(file.metadata.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        if any(start <= place < end for place in places):
            first = start
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=list(columns)):
                here = [place for place in places if first <= place < first + batch.num_rows]
                if here:
                    # Parquet also takes a name for a path such as `a.b`, and returns more columns than these.
                    found = batch.select(list(columns)).take(pa.array([place - first for place in here]))
                    rows |= zip(here, map(row_to_json, found.to_pylist()), strict=True)
                first += batch.num_rows
        start = end
    return [rows[place] for place in places]
