"""How columns go together."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataml.contract.types import DataType
from dataml.ml.profiling.association import Correlation, compute_association
from tests.ml.profiling.columns import REPRODUCIBLE

ROWS = 2_000


def random() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("offset", [0.0, 1e9], ids=["near zero", "far from it"])
@pytest.mark.parametrize("cuts", [[ROWS], [1, 2, 700, ROWS]], ids=["at once", "in batches"])
def test_a_correlation_is_that_of_the_rows_where_both_have_a_value(offset: float, cuts: list[int]) -> None:
    chance = random()
    table = chance.normal(size=(ROWS, 4)) @ chance.normal(size=(4, 4)) + offset
    table[chance.random(table.shape) < 0.2] = np.nan
    correlation = Correlation(4)
    for part in np.split(table, cuts):
        correlation.add(part)
    assert np.allclose(np.array(correlation.matrix(), float), pd.DataFrame(table).corr().to_numpy(), atol=1e-5)


def test_a_column_that_does_not_vary_correlates_with_nothing() -> None:
    correlation = Correlation(3)
    correlation.add(np.array([[0.0, 2.0, np.nan], [1.0, 2.0, 1.0], [2.0, 2.0, 3.0]]))
    assert correlation.matrix() == [[1.0, None, None], [None, None, None], [None, None, None]]


def associate(values: list[Any], data_type: DataType, target: list[Any], target_type: DataType) -> float | None:
    arrays = pa.array(values, data_type.arrow), pa.array(target, target_type.arrow)
    return compute_association(arrays[0], data_type, arrays[1], target_type)


def test_columns_that_determine_the_target_are_near_one_and_noise_near_zero() -> None:
    chance = random()
    x = chance.normal(size=ROWS)
    y = (x > 0).tolist()
    noise = chance.normal(size=ROWS).tolist()
    words = ["yes" if value else "no" for value in y]
    string, number, boolean = DataType.STRING, DataType.FLOAT, DataType.BOOLEAN
    assert associate(x.tolist(), number, (np.exp(x)).tolist(), number) == 1.0
    assert associate(x.tolist(), number, (-x).tolist(), number) == 1.0
    assert (associate(words, string, y, boolean) or 0) > 0.99
    assert (associate(x.tolist(), number, y, boolean) or 0) > 0.9
    for values, data_type in ((noise, number), (chance.choice(list("abcdefgh"), ROWS).tolist(), string)):
        for target, target_type in ((y, boolean), (x.tolist(), number)):
            assert (associate(values, data_type, target, target_type) or 0) < 0.1


def test_dates_are_in_order() -> None:
    days = [date.fromordinal(738_000 + n) for n in range(100)]
    moments = [datetime(2024, 1, 1, tzinfo=UTC).replace(minute=n % 60, hour=n // 60) for n in range(100)]
    numbers = list(range(100))
    assert associate(days, DataType.DATE, numbers, DataType.INTEGER) == 1.0
    assert associate(moments, DataType.TIMESTAMP, numbers, DataType.INTEGER) == 1.0


@pytest.mark.parametrize(
    ("values", "target"),
    [([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]), ([None] * 5, [1.0] * 5), ([], []), ([1.0, None, 3.0], [None, 2.0, 3.0])],
)
def test_constant_columns_have_no_association(values: list[Any], target: list[Any]) -> None:
    assert associate(values, DataType.FLOAT, target, DataType.FLOAT) is None


@REPRODUCIBLE
@given(st.data())
def test_merged_correlations_are_those_of_all_rows(data: st.DataObject) -> None:
    chance = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rows, offset = data.draw(st.integers(3, 60)), data.draw(st.sampled_from([0.0, 1e9, -1e12]))
    table = chance.normal(size=(rows, 4)) @ chance.normal(size=(4, 4)) + offset
    table[chance.random(table.shape) < data.draw(st.sampled_from([0.0, 0.4]))] = np.nan
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=5)))
    at_once, merged = Correlation(4), Correlation(4)
    at_once.add(table)
    for part in np.split(table, cuts):
        correlation = Correlation(4)
        correlation.add(part)
        merged.merge(correlation)
    assert np.allclose(np.array(merged.matrix(), float), np.array(at_once.matrix(), float), atol=2e-6, equal_nan=True)
