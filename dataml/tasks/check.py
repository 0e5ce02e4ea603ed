"""Check rows against the contract: what a worker does batch by batch, and Ray Data section by section."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dataml.contract.columns import to_text
from dataml.contract.contract import Contract


@dataclass(frozen=True)
class Checked:
    """What came of `rows` rows that follow each other in a file.

    `kept` are typed. `errors` (schema `contract.CELL_ERROR_SCHEMA`) count rows from 0, the first of these rows.
    `quarantined` has the rows with an error, as text, in the order of the contract's columns.
    """

    rows: int
    kept: pa.RecordBatch
    errors: pa.RecordBatch
    quarantined: pa.RecordBatch

    @property
    def quarantined_rows(self) -> np.ndarray:
        """The positions of the quarantined rows among these rows."""
        return np.unique(self.errors.column("row").to_numpy())


def check(batch: pa.RecordBatch, contract: Contract, duplicates: Mapping[str, np.ndarray] | None = None) -> Checked:
    """Every cell of the batch against the contract; `duplicates` as for `Contract.parse_batch`."""
    parsed = contract.parse_batch(batch, duplicates)
    wrong = np.unique(parsed.errors.column("row").to_numpy())
    bad = batch.take(pa.array(wrong))
    texts = [
        to_text(bad.column(name)) if name in batch.schema.names else pa.nulls(len(wrong), pa.string())
        for name in contract.names
    ]
    quarantined = pa.RecordBatch.from_arrays(texts, schema=quarantine_schema(contract))
    return Checked(batch.num_rows, parsed.table, parsed.errors, quarantined)


def quarantine_schema(contract: Contract) -> pa.Schema:
    """Return the schema of quarantined rows: every column as text."""
    return pa.schema([(name, pa.string()) for name in contract.names])
