"""Figures over a column are those of all its values, however they are cut into batches."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataml.errors import Invalid, Unavailable
from dataml.ml.profiling import exact_statistics
from dataml.ml.profiling.exact_statistics import NumericStatistics, compute_numeric_statistics, count_distinct


def cut(array: pa.Array, rows: int) -> Callable[[], Iterator[pa.Array]]:
    return lambda: (array.slice(start, rows) for start in range(0, len(array), rows))


@given(st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), max_size=200), st.integers(1, 50))
def test_figures_are_numpys(values: list[float | None], rows: int) -> None:
    found = compute_numeric_statistics(cut(pa.array(values, pa.float64()), rows))
    there = np.array([value for value in values if value is not None])
    assert found.count == len(there)
    if not len(there):
        assert found == NumericStatistics(0, None, None, None, None, None)
        return
    assert (found.minimum, found.maximum) == (there.min(), there.max())
    assert found.median == pytest.approx(np.median(there))
    assert found.mean == pytest.approx(there.mean(), abs=1e-6)
    assert found.std_dev == (None if len(there) < 2 else pytest.approx(there.std(ddof=1), abs=1e-5))


@pytest.mark.parametrize("buffer_bytes", [exact_statistics._MAX_BUFFERED_BYTES, 0], ids=["in memory", "read twice"])
@pytest.mark.parametrize("kind", ["normal", "sorted", "two values", "mostly one", "integers", "infinite"])
def test_the_median_of_many_values_is_exact(monkeypatch: pytest.MonkeyPatch, buffer_bytes: int, kind: str) -> None:
    monkeypatch.setattr(exact_statistics, "_MAX_BUFFERED_BYTES", buffer_bytes)
    chance = np.random.default_rng(3)
    values = {
        "normal": lambda: chance.normal(size=200_001),
        "sorted": lambda: np.sort(chance.exponential(size=200_000)),
        "two values": lambda: np.repeat([0.0, 1.0], 100_000),
        "mostly one": lambda: np.where(chance.random(200_000) < 0.9, 7.0, chance.normal(size=200_000)),
        "integers": lambda: chance.integers(-1000, 1000, 200_000),
        "infinite": lambda: np.append(chance.normal(size=200_000), [np.inf]),
    }[kind]()
    found = compute_numeric_statistics(cut(pa.array(values), 9_999))
    assert found.median == np.median(values)
    assert found.count == len(values)
    if kind == "infinite":
        assert (found.mean, found.std_dev, found.maximum) == (None, None, None)
    else:
        assert found.std_dev == pytest.approx(values.std(ddof=1))


def test_bounds_that_miss_the_median_are_widened() -> None:
    values = np.random.default_rng(0).normal(size=100_000)
    for bound in (-9.0, 9.0):
        median = exact_statistics._select_median(lambda: iter([values]), len(values), np.full(100, bound))
        assert median == np.median(values)


def test_what_is_no_number_does_not_count() -> None:
    found = compute_numeric_statistics(cut(pa.array([1.0, None, float("nan"), 3.0]), 2))
    assert (found.count, found.mean, found.median, found.maximum) == (2, 2.0, 2.0, 3.0)


def test_extremes_of_large_integers_are_exact() -> None:
    found = compute_numeric_statistics(cut(pa.array([2**62 + 1, 2**62 + 3]), 1))
    assert (found.minimum, found.maximum) == (2**62 + 1, 2**62 + 3)


def test_a_deviation_that_overflows_is_none() -> None:
    found = compute_numeric_statistics(cut(pa.array([1e200, -1e200]), 1))
    assert (found.mean, found.std_dev, found.maximum) == (0.0, None, 1e200)


def test_decimals_are_numbers() -> None:
    found = compute_numeric_statistics(cut(pa.array([1, 2, 4]).cast(pa.decimal128(21, 2)), 2))
    assert (found.minimum, found.maximum, found.median) == (1.0, 4.0, 2.0)


@settings(max_examples=30)
@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "", "é"])), max_size=50), st.integers(1, 9))
def test_different_values_are_counted_once(values: list[str | None], rows: int) -> None:
    found = count_distinct(cut(pa.array(values, pa.string()), rows))
    assert (found.distinct, found.is_exact) == (len(set(values) - {None}), True)


def test_zero_has_one_value() -> None:
    assert count_distinct(cut(pa.array([0.0, -0.0]), 1)).distinct == 1


def test_very_many_values_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_statistics, "_MAX_DISTINCT", 100_000)
    found = count_distinct(cut(pa.array(np.arange(400_000)), 50_000))
    assert found.is_exact is False
    assert found.distinct == pytest.approx(400_000, rel=0.08)


def test_nested_values_are_not_compared() -> None:
    with pytest.raises(Invalid) as caught:
        count_distinct(cut(pa.array([[1]]), 1))
    assert caught.value.code == "unsupported_column_type"


@pytest.mark.parametrize("figure", [compute_numeric_statistics, count_distinct])
def test_a_check_ends_the_reading(figure: Callable[..., object]) -> None:
    def refuse() -> None:
        raise Unavailable("no time", code="lake_timeout")

    with pytest.raises(Unavailable):
        figure(cut(pa.array([1, 2]), 1), refuse)
