"""The range of the target: bounds of the contract, counts, and whole numbers."""

import json

import numpy as np
import pytest

from dataml.contract.contract import Column
from dataml.contract.types import DataType
from dataml.ml.forecasting.panel.target import TargetLimits


@pytest.mark.parametrize(
    ("column", "y", "limits"),
    [
        (Column("y", DataType.FLOAT), [1.0, 2.0], TargetLimits()),
        (Column("y", DataType.FLOAT, minimum="-1.5", maximum="7"), [0.0], TargetLimits(-1.5, 7.0)),
        (Column("y", DataType.INTEGER), [0.0, 3.0], TargetLimits(0.0, None, True)),
        (Column("y", DataType.INTEGER), [-1.0, 3.0], TargetLimits(None, None, True)),
        (Column("y", DataType.INTEGER, minimum="-5"), [0.0, 3.0], TargetLimits(-5.0, None, True)),
    ],
)
def test_limits_are_those_of_the_contract_and_counts_are_not_negative(
    column: Column, y: list[float], limits: TargetLimits
) -> None:
    assert TargetLimits.from_contract(column, np.array(y)) == limits


def test_values_are_clipped_at_the_bounds() -> None:
    values = np.array([-2.0, 0.5, 9.0])
    assert TargetLimits(0.0, 5.0).clip(values).tolist() == [0.0, 0.5, 5.0]
    assert TargetLimits(None, 5.0).clip(values).tolist() == [-2.0, 0.5, 5.0]
    assert TargetLimits().clip(values) is values


def test_values_are_rounded_to_the_nearest_and_bounds_outward() -> None:
    rounded = TargetLimits(whole=True).round_outward(np.array([1.6]), np.array([0.9]), np.array([2.1]))
    assert {name: values.tolist() for name, values in rounded.items()} == {"values": [2], "lower": [0], "upper": [3]}
    huge = TargetLimits(whole=True).round_outward(np.array([1e300]), np.array([-1e300]), np.array([1e300]))
    assert {values.dtype for values in huge.values()} == {np.dtype(np.int64)}
    assert huge["lower"][0] < 0 < huge["upper"][0]


def test_limits_survive_json() -> None:
    limits = TargetLimits(0.0, None, True)
    assert TargetLimits.from_json(json.loads(json.dumps(limits.to_json()))) == limits
