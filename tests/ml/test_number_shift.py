"""Numbers that float32 would merge are shifted until it keeps them apart; all others stay as they are."""

import json
from typing import Any

import numpy as np
import pytest

from dataml.ml.number_shift import IDENTITY, LIMIT, NumberShift, choose_shift

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "numbers",
    [
        RANDOM.normal(size=50_000),
        RANDOM.random(50_000),
        RANDOM.lognormal(0, 5, 50_000),
        273.15 + 30 * RANDOM.random(50_000),
        RANDOM.integers(0, 16_000_000, 50_000),
        np.arange(1_900, 2_100),
        RANDOM.integers(-(2**63), 2**63, 5_000),
        RANDOM.random(500) * 1e-20,
        np.array([]),
        np.array([np.nan, 1.0]),
        np.array([5.0]),
    ],
)
def test_ordinary_numbers_are_left_alone(numbers: np.ndarray) -> None:
    assert choose_shift(numbers) == IDENTITY


@pytest.mark.parametrize(
    "numbers",
    [
        1_700_000_000 + np.arange(400),
        1.7e9 + np.arange(400) / 8,
        10**18 + np.arange(400),
        2**63 - 1 - np.arange(400),
        np.array([-(2**63), -(2**63) + 1, 2**63 - 2, 2**63 - 1]),
        np.append(1_700_000_000 + np.arange(400), 0),  # 0 stands for a time that is not known
        np.arange(400) * 1e-40,
        np.arange(400) * 1e-300,
        np.arange(-200, 200) * 1e300,
        np.append(np.arange(400) * 1e-40, 1e30),
    ],
)
def test_numbers_that_float32_merges_stay_apart(numbers: np.ndarray) -> None:
    assert choose_shift(numbers) != IDENTITY
    shift = choose_shift(numbers)
    encoded = shift.apply(numbers).astype(np.float32)
    encoded[np.abs(encoded) < 1e-35] = 0
    kept = len(np.unique(encoded))
    # Values at both ends of 64 bits have only one offset that suits one half of them.
    assert kept >= (3 if len(numbers) == 4 else len(numbers) - 1)
    order = np.argsort(numbers, kind="stable")
    assert (np.diff(encoded[order]) >= 0).all()


def test_a_scale_is_a_power_of_two_and_used_only_where_an_offset_is_not_enough() -> None:
    assert choose_shift(1_700_000_000.0 + np.arange(400)).scale == 1.0
    scale = choose_shift(np.arange(400) * 1e-300).scale
    assert scale > 1
    assert np.frexp(scale)[0] == 0.5


@pytest.mark.parametrize(
    ("shift", "values"),
    [
        (NumberShift(10**18 + 1), [10**18 + 2, -(2**63), 2**63 - 1, 10**18 + 2**53 + 1]),
        (NumberShift(-(2**63)), [2**63 - 1, 2**62 + 1, -(2**63)]),
        (NumberShift(0.1, 2.0**900), [1e-300, 1e308, -1e308, 0.1]),
        (NumberShift(-1.7e308, 2.0**-1_000), [1.7e308, 1.0]),
        (IDENTITY, [1e300, -1e300, 0.1]),
    ],
)
def test_one_value_is_shifted_as_its_column_to_the_bit(shift: NumberShift, values: list[Any]) -> None:
    together = shift.apply(np.array(values))
    encode = shift.value_encoder()
    assert np.array([encode(value) for value in values]).tobytes() == together.tobytes()
    assert np.isnan(encode(None))
    assert (np.abs(together) <= LIMIT).all()


def test_whole_numbers_are_subtracted_exactly() -> None:
    offset = 1_234_567_890_123_456_789
    numbers = offset + np.array([-1, 0, 1, 2])
    assert NumberShift(offset).apply(numbers).tolist() == [-1, 0, 1, 2]


@pytest.mark.parametrize("shift", [NumberShift(1_234_567_890_123_456_789), NumberShift(0.1, 2.0**-1_000), IDENTITY])
def test_a_recorded_shift_is_the_same_again(shift: NumberShift) -> None:
    record = json.loads(json.dumps(shift.to_json()))
    again = NumberShift.from_json(record | {"name": "x"})
    assert again == shift
    assert type(again.offset) is type(shift.offset)
    assert (record == {}) == shift.is_identity
