"""How columns go together."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dataml.contract.types import DataType
from dataml.ml.profiling.association import Correlation, association
from dataml.ml.profiling.statistics import DistinctCounter, target_warnings

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


def told(values: list[Any], data_type: DataType, target: list[Any], target_type: DataType) -> float | None:
    arrays = pa.array(values, data_type.arrow), pa.array(target, target_type.arrow)
    return association(arrays[0], data_type, arrays[1], target_type)


def test_what_tells_the_target_is_near_one_and_chance_near_zero() -> None:
    chance = random()
    x = chance.normal(size=ROWS)
    y = (x > 0).tolist()
    noise = chance.normal(size=ROWS).tolist()
    words = ["yes" if value else "no" for value in y]
    string, number, boolean = DataType.STRING, DataType.FLOAT, DataType.BOOLEAN
    assert told(x.tolist(), number, (np.exp(x)).tolist(), number) == 1.0
    assert told(x.tolist(), number, (-x).tolist(), number) == 1.0
    assert (told(words, string, y, boolean) or 0) > 0.99
    assert (told(x.tolist(), number, y, boolean) or 0) > 0.9
    for values, data_type in ((noise, number), (chance.choice(list("abcdefgh"), ROWS).tolist(), string)):
        for target, target_type in ((y, boolean), (x.tolist(), number)):
            assert (told(values, data_type, target, target_type) or 0) < 0.1


def test_dates_are_in_order() -> None:
    days = [date.fromordinal(738_000 + n) for n in range(100)]
    moments = [datetime(2024, 1, 1, tzinfo=UTC).replace(minute=n % 60, hour=n // 60) for n in range(100)]
    numbers = list(range(100))
    assert told(days, DataType.DATE, numbers, DataType.INTEGER) == 1.0
    assert told(moments, DataType.TIMESTAMP, numbers, DataType.INTEGER) == 1.0


@pytest.mark.parametrize(
    ("values", "target"),
    [([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]), ([None] * 5, [1.0] * 5), ([], []), ([1.0, None, 3.0], [None, 2.0, 3.0])],
)
def test_nothing_is_told_where_nothing_varies(values: list[Any], target: list[Any]) -> None:
    assert told(values, DataType.FLOAT, target, DataType.FLOAT) is None


def test_gaps_are_steps_longer_than_usual() -> None:
    counter = DistinctCounter()
    days = [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 10), date(2024, 1, 11)]
    counter.add(pa.array(days))
    assert counter.gaps() == {
        "usual_days": 1.0,
        "largest": [{"from": "2024-01-03", "to": "2024-01-10", "days": 7.0}],
    }
    few = DistinctCounter()
    few.add(pa.array(days[:2]))
    assert few.gaps() is None


def test_a_target_is_warned_about() -> None:
    top = [{"value": "no", "count": 97}, {"value": "yes", "count": 3}]
    columns = {"left": {"top_values": top, "count": 100, "distinct": 2, "distinct_is_exact": True}}
    found = target_warnings("left", columns, {"reason_for_leaving": 1.0, "age": 0.3})
    assert [(each["column"], each["code"]) for each in found] == [
        ("left", "imbalanced"),
        ("reason_for_leaving", "leaking_target"),
    ]
    balanced = columns["left"] | {"top_values": [{"value": "no", "count": 60}, {"value": "yes", "count": 40}]}
    assert target_warnings("left", {"left": balanced}, {"age": 0.3}) == []
