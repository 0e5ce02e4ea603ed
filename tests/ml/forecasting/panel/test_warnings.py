"""Warnings about series name what was left out, filled in, or is too little to learn from."""

from typing import Any

import numpy as np
import pyarrow as pa

from dataml.contract.warnings import DataWarning
from dataml.ml.forecasting.panel.reading import read_panel
from dataml.ml.forecasting.panel.warnings import find_series_warnings
from tests.ml.forecasting.tables import make_table, make_times

DAYS = make_times("Day", "2024-01-01", 40)


def find(table: pa.Table, **options: Any) -> dict[str, DataWarning]:
    warnings = find_series_warnings(read_panel(table, target="y", time="time", series="id", **options), "y", "id")
    assert len({warning.code for warning in warnings}) == len(warnings)
    return {warning.code: warning for warning in warnings}


def test_a_whole_panel_has_no_warnings() -> None:
    assert find(make_table({"a": (DAYS, range(40))})) == {}


def test_short_and_constant_series_are_named() -> None:
    table = make_table({"flat": (DAYS, [5.0] * 40), "long": (DAYS, range(40)), "tiny": (DAYS[:2], [1, 2])})
    warnings = find(table, horizon=28)
    assert set(warnings) == {"short_series", "constant_series"}
    short, constant = warnings["short_series"], warnings["constant_series"]
    assert (short.column, short.count, short.examples) == ("id", 1, ("tiny",))
    assert (constant.column, constant.count, constant.examples) == ("y", 1, ("flat",))
    assert "series 'flat'" in constant.message


def test_rows_outside_the_values_are_counted() -> None:
    table = make_table({"a": (DAYS[:20], [None, None, *range(15), None, None, None])})
    warnings = find(table)
    assert warnings["rows_before_first_value"].count == 2
    assert warnings["rows_after_last_value"].count == 3


def test_filled_gaps_and_missing_values_are_counted_with_examples() -> None:
    values = [float(number) for number in range(38)]
    values[7] = np.nan
    table = make_table({"a": (np.delete(DAYS, [3, 4]), [None if np.isnan(value) else value for value in values])})
    warning = find(table, fill="linear")["filled_gaps"]
    assert (warning.column, warning.count) == ("y", 3)
    assert warning.examples == tuple(f"series 'a' at 2024-01-{day}" for day in ("04", "05", "10"))
    assert warning.message.startswith("3 of 40 values of 'y'")
