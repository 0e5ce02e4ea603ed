"""The series of a panel are slices of its rows."""

import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.panel import Panel


@pytest.fixture
def panel() -> Panel:
    day = Frequency.parse("Day")
    times = [day.times_after(np.datetime64(last), count) for last, count in (("2024-01-01", 4), ("2024-01-03", 2))]
    values = np.arange(6.0)
    return Panel(("a", "b"), np.array([0, 4, 6]), np.concatenate(times), values, day, np.arange(6))


def test_a_series_is_a_slice_of_the_rows(panel: Panel) -> None:
    assert len(panel) == 2
    assert panel.lengths.tolist() == [4, 2]
    assert panel.y[panel.series_slice(panel.index_of("b"))].tolist() == [4, 5]
    assert panel.series_index.tolist() == [0, 0, 0, 0, 1, 1]
    assert panel.last_times.astype(str).tolist() == ["2024-01-05T00:00:00.000000"] * 2


def test_an_unknown_series_is_refused(panel: Panel) -> None:
    with pytest.raises(Invalid) as refused:
        panel.index_of("c")
    assert refused.value.code == "unknown_series"
