"""New observations are appended where a series ends; known values are never replaced."""

from collections.abc import Sequence

import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.covariates import Covariates, group_series
from dataml.ml.forecasting.panel.dataset import ColumnRoles
from dataml.ml.forecasting.panel.gaps import FillMethod
from dataml.ml.forecasting.panel.observations import (
    RevisedPolicy,
    UpdatedSeries,
    append_observations,
    update_series,
)
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import read_observations, read_panel
from tests.ml.forecasting.tables import make_table, make_times

DAYS = make_times("Day", "2024-01-01", 40)


TABLE = make_table({"a": (DAYS[:20], range(20)), "b": (DAYS[3:18], range(15))})


@pytest.fixture
def panel() -> Panel:
    return read_panel(TABLE, target="y", time="time", series="id").panel


def observed(series: dict[str, tuple[np.ndarray, Sequence[float]]], frequency: str = "Day") -> Panel:
    return read_observations(
        make_table(series), target="y", time="time", series="id", frequency=Frequency.parse(frequency)
    ).panel


def refusal(panel: Panel, other: Panel, fill: FillMethod | None = None) -> Invalid:
    with pytest.raises(Invalid) as refused:
        append_observations(panel, other, fill=fill)
    return refused.value


def test_observations_are_appended_to_their_series(panel: Panel) -> None:
    longer = append_observations(
        panel, observed({"b": (DAYS[18:20], [50, 51]), "a": (DAYS[20:21], [60])}), first_row=100
    )
    assert longer.ids == panel.ids
    assert longer.y[longer.series_slice(0)].tolist() == [*range(20), 60]
    assert longer.y[longer.series_slice(1)].tolist() == [*range(15), 50, 51]
    assert (longer.times[longer.series_slice(1)] == DAYS[3:20]).all()
    assert longer.rows[longer.series_slice(1)].tolist() == [*range(20, 35), 100, 101]


def test_repeated_observations_change_nothing(panel: Panel) -> None:
    assert append_observations(panel, observed({"a": (DAYS[15:20], range(15, 20))})) is panel
    longer = append_observations(panel, observed({"a": (DAYS[18:22], [18, 19, 20, 21])}))
    assert longer.y[longer.series_slice(0)].tolist() == list(range(22))


def test_another_value_for_a_time_is_refused(panel: Panel) -> None:
    error = refusal(panel, observed({"a": (DAYS[18:22], [18, 99, 20, 21])}))
    assert error.code == "duplicate_timestamps"
    assert "series 'a' at 2024-01-20" in error.detail
    assert "(19 known, 99 sent)" in error.detail


def test_another_value_for_a_time_is_used_on_request(panel: Panel) -> None:
    other = observed({"a": (DAYS[18:22], [18, 99, 20, 21])})
    used = append_observations(panel, other, revised="use")
    assert used.y[used.series_slice(0)].tolist() == [*range(19), 99, 20, 21]
    assert panel.y[19] == 19
    (warning,) = update(panel, {"a": (DAYS[19:20], [99])}, None, "use").warnings
    assert (warning.code, warning.count) == ("revised_observations", 1)


def test_the_whole_history_may_come_again(panel: Panel) -> None:
    times = make_times("Day", "2023-12-20", 33)
    updated = update(panel, {"a": (times, [7.0] * 12 + [*range(21)])}, None)
    assert updated.panel.y[updated.panel.series_slice(0)].tolist() == list(range(21))
    assert [(w.code, w.count) for w in updated.warnings] == [("early_observations", 12)]


def test_a_gap_before_new_observations_is_refused_or_filled(panel: Panel) -> None:
    other = observed({"a": (DAYS[22:24], [22, 23])})
    error = refusal(panel, other)
    assert error.code == "irregular_series"
    assert "series 'a' from 2024-01-21 to 2024-01-22 (2 steps)" in error.detail
    assert append_observations(panel, other, fill="linear").y[:24].tolist() == list(range(24))


def test_unknown_series_other_frequencies_and_times_off_the_grid_are_refused(panel: Panel) -> None:
    assert refusal(panel, observed({"c": (DAYS[20:21], [1])})).code == "unknown_series"
    assert refusal(panel, observed({"a": (DAYS[20:21], [1])}, "Week")).code == "frequency_mismatch"
    late = observed({"a": (DAYS[20:21] + np.timedelta64(5, "h"), [1])})
    assert refusal(panel, late).code == "irregular_series"
    between = observed({"a": (DAYS[10:11] + np.timedelta64(5, "h"), [1])})
    assert refusal(panel, between).code == "irregular_series"


def test_a_series_on_month_ends_continues_from_february() -> None:
    ends = make_times("ME", "2023-06-30", 10)
    known = read_panel(make_table({"a": (ends[:9], range(9))}), target="y", time="time", series="id").panel
    assert str(known.last_times[0]).startswith("2024-02-29")
    assert append_observations(known, observed({"a": (ends[9:], [9])}, "Month")).y.tolist() == list(range(10))
    wrong = observed({"a": (np.array([np.datetime64("2024-03-29", "us")]), [9])}, "Month")
    assert refusal(known, wrong).code == "irregular_series"


def test_a_panel_updated_step_by_step_equals_one_read_at_once(panel: Panel) -> None:
    whole = make_table({"a": (DAYS[:30], range(30)), "b": (DAYS[3:18], range(15))})
    expected = read_panel(whole, target="y", time="time", series="id").panel
    updated = panel
    for day in range(20, 30):
        updated = append_observations(updated, observed({"a": (DAYS[day : day + 1], [day])}))
    assert (updated.times == expected.times).all()
    assert updated.y.tolist() == expected.y.tolist()
    assert updated.starts.tolist() == expected.starts.tolist()


def update(
    panel: Panel,
    series: dict[str, tuple[np.ndarray, Sequence[float | None]]],
    fill: str | None,
    revised: RevisedPolicy = "refuse",
) -> UpdatedSeries:
    roles = ColumnRoles("y", "time", "id", (), ())
    grouped = group_series(panel, TABLE, Covariates(None))
    return update_series(panel, grouped, make_table(series), roles, Covariates(None), fill, revised)


def test_values_that_an_update_fills_in_are_counted(panel: Panel) -> None:
    updated = update(panel, {"a": (DAYS[22:26], [22, None, 24, 25]), "b": (DAYS[18:19], [1])}, "linear")
    (warning,) = updated.warnings
    assert (warning.code, warning.column, warning.count) == ("filled_gaps", "y", 3)
    assert warning.examples == tuple(f"series 'a' at 2024-01-{day}" for day in (21, 22, 24))
    assert updated.series.lengths.tolist() == [26, 16]


def test_an_update_without_anything_new_has_a_warning(panel: Panel) -> None:
    assert [each.code for each in update(panel, {"a": (DAYS[18:20], [18, 19])}, None).warnings] == [
        "known_observations"
    ]
    assert update(panel, {"a": (DAYS[18:21], [18, 19, 20])}, None).warnings == ()
