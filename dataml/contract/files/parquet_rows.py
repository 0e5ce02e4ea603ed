"""Rows of a Parquet file as Arrow batches of plain types."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.files.csv import MAX_FIELD_BYTES
from dataml.contract.files.parquet import damaged_parquet, find_unnamed_index, open_uploaded_parquet
from dataml.contract.files.parquet_types import to_plain
from dataml.contract.files.sections import Section
from dataml.contract.files.structs import flatten_structs, list_flat_fields
from dataml.errors import Invalid

_MAX_DECODED_BYTES: Final = 64 << 20


def read_parquet_batches(
    path: Path, columns: Sequence[str] | None, section: Section, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file with plain types, as `reading.open_batches` does."""
    file = open_uploaded_parquet(path, read_dictionaries=True)
    groups = list(range(file.num_row_groups))[section.start : section.stop]
    names = select_names(file.schema_arrow, columns or ())
    selected = [raw for raw in names if columns is None or raw.strip() in columns]
    try:
        for batch in file.iter_batches(batch_rows, groups, selected):
            batch.validate(full=True)  # Arrow does not check on reading that text is UTF-8
            # To Parquet a name is a path such as `a.b`: parts of structs are read, but sometimes also other columns.
            batch = flatten_structs(batch).select(selected)
            yield from _decode_dictionaries(batch.rename_columns([raw.strip() for raw in selected]))
    except (pa.ArrowException, OSError) as error:
        raise damaged_parquet(error) from error


def select_names(schema: pa.Schema, wanted: Collection[str] = ()) -> list[str]:
    """Return the names of the flat columns, an index of pandas without a name only if it is among those wanted."""
    hidden = find_unnamed_index(schema).difference(wanted)
    return [name for name, _ in list_flat_fields(schema) if name not in hidden]


def _decode_dictionaries(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the rows with dictionaries decoded, in parts of at most about _MAX_DECODED_BYTES.

    A few bytes of a file may stand for the same long text in every row.

    Raises:
        Invalid: `field_too_large`.
    """
    size = np.zeros(batch.num_rows, np.int64)
    for name, cells in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_dictionary(cells.type) and len(cells.dictionary):
            lengths = pc.binary_length(cells.dictionary).fill_null(0).to_numpy(zero_copy_only=False)
            if lengths.max() > MAX_FIELD_BYTES:
                detail = f"Column {name!r}: a text is larger than {MAX_FIELD_BYTES:,} bytes."
                raise Invalid(detail, code="field_too_large")
            size += lengths[cells.indices.fill_null(0).to_numpy(zero_copy_only=False)]
    part_of = np.cumsum(size) // _MAX_DECODED_BYTES
    starts = [0, *(np.flatnonzero(np.diff(part_of)) + 1).tolist(), batch.num_rows]
    for start, stop in pairwise(starts):
        part = batch.slice(start, stop - start)
        columns = [to_plain(c.dictionary_decode() if pa.types.is_dictionary(c.type) else c) for c in part.columns]
        yield pa.RecordBatch.from_arrays(columns, names=part.schema.names)
