"""Checks of rows against the contract, for a worker batch by batch and for Ray Data section by section."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dataml.contract.columns import to_text
from dataml.contract.contract import Contract


@dataclass(frozen=True)
class CheckedRows:
    """The result of checking `rows` consecutive rows of a file.

    Attributes:
        rows: number of rows that were checked.
        kept: the rows without an error, typed by the contract.
        errors: the wrong cells (schema `contract.CELL_ERROR_SCHEMA`); `row` counts from 0, the first of these rows.
        quarantined: the rows with an error, as text, in the order of the contract's columns.
    """

    rows: int
    kept: pa.RecordBatch
    errors: pa.RecordBatch
    quarantined: pa.RecordBatch

    @property
    def quarantined_positions(self) -> np.ndarray:
        """Positions of the quarantined rows among these rows, counted from 0."""
        return np.unique(self.errors.column("row").to_numpy())


def check_rows(
    batch: pa.RecordBatch, contract: Contract, duplicates: Mapping[str, np.ndarray] | None = None
) -> CheckedRows:
    """Check every cell of the batch against the contract; `duplicates` as for `Contract.parse_batch`."""
    parsed = contract.parse_batch(batch, duplicates)
    bad_positions = np.unique(parsed.errors.column("row").to_numpy())
    bad_rows = batch.take(pa.array(bad_positions))
    present = dict(zip(batch.schema.names, bad_rows.columns, strict=True))
    missing = pa.nulls(len(bad_positions), pa.string())
    texts = [to_text(present[name]) if name in present else missing for name in contract.names]
    quarantined = pa.RecordBatch.from_arrays(texts, schema=quarantine_schema(contract))
    return CheckedRows(batch.num_rows, parsed.table, parsed.errors, quarantined)


def quarantine_schema(contract: Contract) -> pa.Schema:
    """Return the schema of quarantined rows: every column as text."""
    return pa.schema([(name, pa.string()) for name in contract.names])
