"""Numbers that JSON cannot hold are None."""

import math

import numpy as np
import pytest

from dataml.ml.json_numbers import finite_or_none, ratio_or_none, to_json_numbers


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), np.array(np.inf)])
def test_what_is_not_finite_is_none(value: float) -> None:
    assert finite_or_none(value) is None


@pytest.mark.parametrize("value", [0.1, np.float32(0.5), np.array(3.0)])
def test_a_finite_number_is_a_python_float(value: float) -> None:
    number = finite_or_none(value)
    assert type(number) is float
    assert number == pytest.approx(np.asarray(value).item())


def test_numbers_of_charts_have_six_significant_digits() -> None:
    assert to_json_numbers([1.23456789, 123456789.0, math.nan, -1e-9]) == [1.23457, 123457000.0, None, -1e-9]
    assert to_json_numbers(np.array([], np.float32)) == []


def test_a_ratio_to_nothing_is_none() -> None:
    assert ratio_or_none(1, 0) is None
    assert ratio_or_none(np.float64(1), np.float64(4)) == 0.25
    assert ratio_or_none(math.inf, 2) is None
