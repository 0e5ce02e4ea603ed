"""Structs of Parquet files as flat columns: a field is the column `parent.child`, at any depth up to a limit."""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from dataml.errors import Invalid

MAX_LEVELS: Final = 16


def list_flat_fields(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    """Return names and types of the columns, with the fields of structs instead of the structs, in file order.

    Raises:
        Invalid: `duplicate_column`: a field has the name of another column; `unsupported_parquet_type`: structs are
            nested deeper than MAX_LEVELS.
    """
    fields = [flat for field in schema for flat in _flatten_field(field.name, field.type, MAX_LEVELS)]
    has_structs = any(pa.types.is_struct(field.type) for field in schema)
    seen: set[str] = set()
    for name, _ in fields if has_structs else ():
        if name in seen:
            detail = f"Column {name!r} occurs twice, once as the field of a struct; rename one of them."
            raise Invalid(detail, code="duplicate_column")
        seen.add(name)
    return fields


def flatten_structs(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the columns of a batch as `list_flat_fields` names them; the fields of a null struct are null."""
    if not any(pa.types.is_struct(field.type) for field in batch.schema):
        return batch
    flat = [
        column
        for name, cells in zip(batch.schema.names, batch.columns, strict=True)
        for column in _flatten_cells(name, cells)
    ]
    return pa.RecordBatch.from_arrays([cells for _, cells in flat], names=[name for name, _ in flat])


def _flatten_field(name: str, kind: pa.DataType, levels: int) -> Iterator[tuple[str, pa.DataType]]:
    if not pa.types.is_struct(kind):
        yield name, kind
        return
    if not levels:
        detail = f"Column {name[:200]!r}: structs are nested in more than {MAX_LEVELS} levels; write flat columns."
        raise Invalid(detail, code="unsupported_parquet_type")
    for field in kind:
        yield from _flatten_field(f"{name}.{field.name}", field.type, levels - 1)


def _flatten_cells(name: str, cells: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    if not pa.types.is_struct(cells.type):
        yield name, cells
        return
    # Unlike `field`, `flatten` gives the fields of a null struct as nulls.
    for field, child in zip(cells.type, cells.flatten(), strict=True):
        yield from _flatten_cells(f"{name}.{field.name}", child)
