"""Columns of rows that are written to a lake table which has columns already."""

from typing import TYPE_CHECKING

import pyarrow as pa

from dataml.errors import Conflict
from dataml.iceberg.data_files import iceberg_schema

if TYPE_CHECKING:
    from pyiceberg.table import Transaction


def fit_columns(transaction: "Transaction", rows: pa.Schema, table: str, *, widens: bool, replaces: bool) -> None:
    """Give a table the columns of rows in a transaction, as far as that is allowed.

    Args:
        transaction: of the table.
        rows: columns of the rows.
        table: name of the table, for the error.
        widens: whether the rows may have more columns, which the table gets, or fewer, which are null.
        replaces: whether columns of the table may go, because none of its rows stay.

    Raises:
        Conflict: `table_differs`.
    """
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    columns = transaction.table_metadata.schema()
    schema = iceberg_schema(rows)
    old = {f.name: f.type for f in schema_to_pyarrow(columns, include_field_ids=False)}
    new = {f.name: f.type for f in schema_to_pyarrow(schema, include_field_ids=False)}
    differing = [name for name in {**new, **old} if old.get(name) != new.get(name)]
    if widens:
        differing = [name for name in differing if name in new or columns.find_field(name).required]
    if not differing:
        return
    adds_only = widens and all(name not in old for name in differing)
    if not adds_only and not replaces:
        differences = "; ".join(
            f"{name!r} is {_type_name(old, name)} there, {_type_name(new, name)} here" for name in differing[:5]
        )
        detail = f"The lake table {table!r} has other columns than these rows: {differences}."
        raise Conflict(detail, code="table_differs")
    with transaction.update_schema(allow_incompatible_changes=True) as update:
        for name in differing:
            if name in old:
                update.delete_column((name,))
    with transaction.update_schema(allow_incompatible_changes=True) as update:
        for name in differing:
            if name in new:
                update.add_column((name,), schema.find_type(name))


def select_columns(batch: pa.RecordBatch, columns: pa.Schema) -> pa.RecordBatch:
    """Return the columns of a table; those that the batch lacks are null."""
    present = dict(zip(batch.schema.names, batch.columns, strict=True))
    arrays = [present[f.name] if f.name in present else pa.nulls(batch.num_rows, f.type) for f in columns]
    return pa.RecordBatch.from_arrays(arrays, names=columns.names)


def _type_name(types: dict[str, pa.DataType], name: str) -> str:
    return str(types.get(name, "missing"))
