"""Check rows against the contract: what a worker does batch by batch, and Ray Data section by section."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dataml.contract.columns import as_text
from dataml.contract.contract import Contract


@dataclass(frozen=True)
class Checked:
    """What came of `rows` rows that follow each other in a file.

    `kept` are typed. `errors` (schema `contract.BAD_CELLS`) count rows from 0, the first of these rows. `set_aside` has
    the rows with an error, as text, in the order of the contract's columns.
    """

    rows: int
    kept: pa.RecordBatch
    errors: pa.RecordBatch
    set_aside: pa.RecordBatch

    @property
    def rows_set_aside(self) -> np.ndarray:
        """Where the rows of `set_aside` stand among these rows."""
        return np.unique(self.errors.column("row").to_numpy())


def check(batch: pa.RecordBatch, contract: Contract, repeated: Mapping[str, np.ndarray] | None = None) -> Checked:
    """Every cell of the batch against the contract; `repeated` as for `Contract.parse_batch`."""
    parsed = contract.parse_batch(batch, repeated)
    wrong = np.unique(parsed.errors.column("row").to_numpy())
    bad = batch.take(pa.array(wrong))
    texts = [
        as_text(bad.column(name)) if name in batch.schema.names else pa.nulls(len(wrong), pa.string())
        for name in contract.names
    ]
    aside = pa.RecordBatch.from_arrays(texts, schema=set_aside(contract))
    return Checked(batch.num_rows, parsed.table, parsed.errors, aside)


def set_aside(contract: Contract) -> pa.Schema:
    """The schema of rows that are set aside: every column as text."""
    return pa.schema([(name, pa.string()) for name in contract.names])
