"""The forecast of a series: selected, rounded, and grouped into buckets."""

import numpy as np

from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.series_forecast import Buckets, SeriesForecast
from tests.ml.forecasting.tables import make_times

DAYS = make_times("Day", "2024-01-01", 10)


def make_forecast() -> SeriesForecast:
    values = np.arange(10.0) + 0.4
    return SeriesForecast("a", Frequency.parse("Day"), DAYS, values, values / 10, values - 1, values + 1, [{}] * 10)


def test_selected_steps_keep_everything_of_theirs() -> None:
    part = make_forecast().select(slice(2, 4))
    assert part.times.tolist() == DAYS[2:4].tolist()
    assert (part.values.tolist(), part.upper.tolist(), part.explanation) == ([2.4, 3.4], [3.4, 4.4], [{}, {}])


def test_bounds_are_rounded_outward() -> None:
    rounded = make_forecast().round().select(slice(1))
    assert (rounded.values.tolist(), rounded.lower.tolist(), rounded.upper.tolist()) == ([0], [-1], [2])


def test_steps_are_grouped_by_the_coarser_frequency() -> None:
    buckets = Buckets.group(DAYS, Frequency.parse("Week"))
    assert (buckets.counts.tolist(), buckets.firsts.tolist()) == ([7, 3], [0, 7])
    assert buckets.sum(np.ones(10)).tolist() == [7.0, 3.0]
    steps = [{"rain": 1.0}] * 9 + [{"rain": 1.0, "price": 3.0}]
    assert buckets.combine_explanations(steps, np.array([1, 3])) == [{"rain": 7.0}, {"rain": 1.0, "price": 1.0}]
