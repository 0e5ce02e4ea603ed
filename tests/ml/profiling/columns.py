"""Columns of any type, cut into parts and batches, for tests of what does not depend on the cuts."""

import itertools
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st

from dataml.contract.types import DataType

# Few different values are likely to come twice, many go beyond what is counted exactly.
VALUES: dict[DataType, st.SearchStrategy[Any]] = {
    DataType.STRING: st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3),
    DataType.INTEGER: st.integers(-9, 9) | st.integers(-(2**63), 2**63 - 1),
    DataType.FLOAT: st.sampled_from([0.0, -0.0, 1.5]) | st.floats(-1e150, 1e150),
    DataType.BOOLEAN: st.booleans(),
    DataType.DATE: st.dates(date(1, 1, 1), date(9999, 12, 31)),
    DataType.TIMESTAMP: st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
}
# Parts of a column, each in batches.
PARTS = st.lists(st.lists(st.integers(0, 12), max_size=4), min_size=1, max_size=4)
# The same examples every time: a failure that comes and goes helps nobody.
REPRODUCIBLE = settings(deadline=None, derandomize=True, database=None, max_examples=150)


@st.composite
def columns(draw: st.DrawFn) -> tuple[DataType, list[list[pa.Array]]]:
    """A type, and values of it: parts of batches, of which any may be empty."""
    data_type = draw(st.sampled_from(list(DataType)))
    sizes = draw(PARTS)
    total = sum(map(sum, sizes))
    values = pa.array(draw(st.lists(VALUES[data_type], min_size=total, max_size=total)), data_type.arrow)
    parts, start = [], 0
    for part in sizes:
        places = start + np.cumsum([0, *part])
        parts.append([values.slice(place, size) for place, size in zip(places.tolist(), part, strict=False)])
        start = int(places[-1])
    return data_type, parts


def join_parts(data_type: DataType, parts: list[list[pa.Array]]) -> pa.Array:
    return pa.concat_arrays([pa.array([], data_type.arrow), *itertools.chain.from_iterable(parts)])
