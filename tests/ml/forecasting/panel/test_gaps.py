"""Gaps are filled within each series, without looking ahead, up to a limit of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.gaps import FILL_METHODS, FillMethod
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import read_panel
from tests.ml.forecasting.tables import make_table, make_times

NO_DEADLINE = settings(deadline=None, derandomize=True, database=None)

WEEKS_OF_DAYS = make_times("Day", "2024-01-01", 21)


def filled(fill: FillMethod, values: list[float | None], times: np.ndarray | None = None) -> Panel:
    times = WEEKS_OF_DAYS[: len(values)] if times is None else times
    table = make_table({"a": (times, values), "b": (WEEKS_OF_DAYS, np.full(21, 1e9) + np.arange(21))})
    return read_panel(table, target="y", time="time", series="id", fill=fill).panel


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        ("previous", [4, 4, 4, 10, 12]),
        ("linear", [4, 6, 8, 10, 12]),
        ("zero", [4, 0, 0, 10, 12]),
        ("mean", [4, 4, 4, 10, 12]),
    ],
)
def test_missing_values_are_filled_within_their_series(fill: FillMethod, expected: list[float]) -> None:
    panel = filled(fill, [4, None, None, 10, 12])
    assert panel.y[panel.series_slice(0)].tolist() == expected
    assert panel.rows[panel.series_slice(0)].tolist() == [0, 1, 2, 3, 4]


def test_the_mean_is_that_of_the_values_before() -> None:
    assert filled("mean", [1, 3, None, 8, None, 100]).y[:6].tolist() == [1, 3, 2, 8, 4, 100]


def test_a_season_is_repeated_or_else_the_value_before() -> None:
    values: list[float | None] = list(range(21))
    for missing in (3, 10, 17, 12):
        values[missing] = None
    panel = filled("seasonal", values)
    assert [panel.y[row] for row in (3, 10, 17, 12)] == [2, 9, 16, 5]


def test_missing_steps_are_inserted_without_a_row_number() -> None:
    panel = filled("previous", [0, 1, 2, 5, 6], WEEKS_OF_DAYS[[0, 1, 2, 5, 6]])
    assert panel.y[:7].tolist() == [0, 1, 2, 2, 2, 5, 6]
    assert panel.rows[:7].tolist() == [0, 1, 2, -1, -1, 3, 4]
    assert (panel.times[:7] == WEEKS_OF_DAYS[:7]).all()
    assert panel.starts.tolist() == [0, 7, 28]


@NO_DEADLINE
@given(
    st.sampled_from(["Day", "Business day", "Hour", "ME", "Month", "Week", "Quarter", "15min"]),
    st.sampled_from(FILL_METHODS),
    st.sets(st.integers(13, 38), max_size=9),
    st.sets(st.integers(1, 28), max_size=9),
    st.integers(1, 60),
)
def test_a_filled_panel_has_every_step_and_no_value_missing(
    text: str, fill: FillMethod, gaps: set[int], missing: set[int], cutoff: int
) -> None:
    times = make_times(text, "2024-01-31", 40)
    values: list[float | None] = [float(row % 7) for row in range(40)]
    for row in missing:
        values[row] = None
    kept = [row for row in range(40) if row not in gaps]
    table = make_table({"a": (times[kept], [values[row] for row in kept]), "b": (times, range(40))})
    panel = read_panel(table, target="y", time="time", series="id", fill=fill).panel
    assert not np.isnan(panel.y).any()
    assert (panel.times == np.concatenate((times, times))).all()
    for row in kept:
        assert values[row] is None or panel.y[row] == values[row]
    if fill != "linear":  # what was filled does not depend on what came later
        begin = [row for row in kept if row < cutoff]
        if len(begin) >= 12 and values[begin[-1]] is not None:
            early = make_table({"a": (times[begin], [values[row] for row in begin]), "b": (times, range(40))})
            part = read_panel(early, target="y", time="time", series="id", fill=fill).panel
            assert part.y[part.series_slice(0)].tolist() == panel.y[: part.lengths[0]].tolist()


def test_a_gap_of_centuries_is_not_filled() -> None:
    times = np.append(WEEKS_OF_DAYS[:20], np.datetime64("2924-01-01"))
    with pytest.raises(Invalid) as refused:
        filled("zero", list(range(21)), times)
    assert refused.value.code == "irregular_series"
    assert "series 'a' from 2024-01-21 to 2923-12-31" in refused.value.detail


def test_filling_keeps_series_on_their_day_of_the_month() -> None:
    times = Frequency("month", anchor_day=30).times_after(np.datetime64("2023-12-30"), 12)
    panel = filled_months(times)
    assert (panel.times == times).all()


def filled_months(times: np.ndarray) -> Panel:
    kept = np.delete(times, [2, 3])  # March and April, after a February of 29 days
    table = make_table({"a": (kept, range(10))})
    return read_panel(table, target="y", time="time", series="id", fill="linear").panel
