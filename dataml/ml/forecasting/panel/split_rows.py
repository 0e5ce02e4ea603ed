"""Tells the rows of one table apart: what was observed, and what is known of the future."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.ml.forecasting.panel.dataset import ColumnRoles


@dataclass(frozen=True)
class SplitRows:
    """The observed rows and the rows about future steps; None where there are none."""

    observations: pa.Table | None
    future: pa.Table | None


def split_rows(table: pa.Table, roles: ColumnRoles) -> SplitRows:
    """Tell rows apart by what they hold: those after the last target value of their series are about the future.

    A row without a target value before that is an observation whose value is missing. Without a target column, all rows
    are about the future.

    Args:
        table: typed rows, with the key columns and, for observed rows, the target.
        roles: the columns of the model.
    """
    if not table.num_rows:
        return SplitRows(None, None)
    if roles.target not in table.column_names:
        return SplitRows(None, table)
    is_future = _find_future(table, roles)
    future = table.filter(pa.array(is_future)) if is_future.any() else None
    observations = table.filter(pa.array(~is_future)) if not is_future.all() else None
    return SplitRows(observations, future)


def _find_future(table: pa.Table, roles: ColumnRoles) -> np.ndarray:
    has_value = table.column(roles.target).is_valid().to_numpy(zero_copy_only=False)
    times = table.column(roles.time).cast(pa.timestamp("us")).cast(pa.int64())
    missing = np.iinfo(np.int64).min
    ticks = pc.fill_null(times, missing).to_numpy(zero_copy_only=False)
    if roles.series is None:
        codes, count = np.zeros(len(ticks), np.int64), 1
    else:
        encoded = table.column(roles.series).combine_chunks().dictionary_encode(null_encoding="encode")
        codes, count = encoded.indices.to_numpy(), len(encoded.dictionary)
    last = np.full(count, missing)
    np.maximum.at(last, codes[has_value], ticks[has_value])
    return ~has_value & (ticks > last[codes])
