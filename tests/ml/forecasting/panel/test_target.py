"""The range of the target: bounds of the contract, series that are never negative, and whole numbers."""

import json

import numpy as np
import pytest

from dataml.contract.contract import Column
from dataml.contract.types import DataType
from dataml.ml.forecasting.panel.target import TargetLimits, round_outward

Y = np.array([3.0, 0.0, 1.0, -1.0, 4.0])
STARTS = np.array([0, 3, 5])


@pytest.mark.parametrize(
    ("column", "limits"),
    [
        (Column("y", DataType.FLOAT), TargetLimits()),
        (Column("y", DataType.FLOAT, minimum="-1.5", maximum="7"), TargetLimits(-1.5, 7.0)),
        (Column("y", DataType.INTEGER, minimum="-5"), TargetLimits(-5.0, None, True)),
    ],
)
def test_limits_are_those_of_the_contract(column: Column, limits: TargetLimits) -> None:
    assert TargetLimits.from_contract(column) == limits


def test_a_series_that_was_never_negative_stays_so() -> None:
    assert TargetLimits().floors(Y, STARTS).tolist() == [0.0, -np.inf]


def test_the_minimum_of_the_contract_is_that_of_all_series() -> None:
    assert TargetLimits(-5.0).floors(Y, STARTS).tolist() == [-5.0, -5.0]


def test_values_are_clipped_at_the_bounds() -> None:
    values, none = np.array([-2.0, 0.5, 9.0]), np.array(-np.inf)
    assert TargetLimits(None, 5.0).clip(values, np.zeros(1)).tolist() == [0.0, 0.5, 5.0]
    assert TargetLimits(None, 5.0).clip(values, none).tolist() == [-2.0, 0.5, 5.0]
    assert TargetLimits().clip(values, none).tolist() == values.tolist()


def test_sums_are_clipped_at_the_sums_of_the_bounds() -> None:
    sums = np.array([-9.0, 30.0])
    assert TargetLimits(None, 5.0).clip(sums, np.array(-2.0), np.array([3, 4])).tolist() == [-6.0, 20.0]


def test_values_are_rounded_to_the_nearest_and_bounds_outward() -> None:
    rounded = round_outward(np.array([1.6]), np.array([0.9]), np.array([2.1]))
    assert {name: values.tolist() for name, values in rounded.items()} == {"values": [2], "lower": [0], "upper": [3]}
    huge = round_outward(np.array([1e300]), np.array([-1e300]), np.array([1e300]))
    assert {values.dtype for values in huge.values()} == {np.dtype(np.int64)}
    assert huge["lower"][0] < 0 < huge["upper"][0]


def test_limits_survive_json() -> None:
    limits = TargetLimits(0.0, None, True)
    assert TargetLimits.from_json(json.loads(json.dumps(limits.to_json()))) == limits
