"""A panel is cut for backtests and narrowed to some of its series without a copy of the rest."""

import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency import Frequency
from dataml.ml.forecasting.panel import Panel


@pytest.fixture
def panel() -> Panel:
    day = Frequency.parse("Day")
    times = [day.after(np.datetime64(last), count) for last, count in (("2024-01-01", 4), ("2024-01-03", 2))]
    values = np.arange(6.0)
    return Panel(("a", "b"), np.array([0, 4, 6]), np.concatenate(times), values, day, np.arange(6))


def test_a_series_is_a_slice_of_the_rows(panel: Panel) -> None:
    assert len(panel) == 2
    assert panel.lengths.tolist() == [4, 2]
    assert panel.y[panel.series(panel.index_of("b"))].tolist() == [4, 5]
    assert panel.series_of_rows.tolist() == [0, 0, 0, 0, 1, 1]
    assert panel.last_times.astype(str).tolist() == ["2024-01-05T00:00:00.000000"] * 2


def test_an_unknown_series_is_refused(panel: Panel) -> None:
    with pytest.raises(Invalid) as refused:
        panel.index_of("c")
    assert refused.value.code == "unknown_series"


def test_a_head_has_the_first_values_of_each_series(panel: Panel) -> None:
    cut = panel.head(np.array([2, 9]))
    assert (cut.y.tolist(), cut.starts.tolist(), cut.rows.tolist()) == ([0, 1, 4, 5], [0, 2, 4], [0, 1, 4, 5])
    none = panel.head(np.array([-1, 1]))
    assert (none.lengths.tolist(), none.y.tolist(), none.ids) == ([0, 1], [4], ("a", "b"))
    assert np.isnat(none.last_times[0])


def test_until_keeps_what_was_known_then(panel: Panel) -> None:
    assert panel.until(np.datetime64("2024-01-04")).y.tolist() == [0, 1, 2, 4]
    assert panel.until(np.datetime64("2024-01-03T12:00")).lengths.tolist() == [2, 0]
    assert panel.until(np.datetime64("2030-01-01")).y.tolist() == panel.y.tolist()


def test_series_are_selected_in_the_order_asked_for(panel: Panel) -> None:
    chosen = panel.select([1, 0])
    assert (chosen.ids, chosen.y.tolist()) == (("b", "a"), [4, 5, 0, 1, 2, 3])
    assert chosen.index_of("a") == 1
    assert len(panel.select([])) == 0
