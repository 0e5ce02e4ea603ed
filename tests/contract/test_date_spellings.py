"""Counts of the spellings of dates that the values of a column can have."""

import pyarrow as pa

from dataml.contract.contract import Column
from dataml.contract.date_spellings import DateSpellings, warn_order_of_others
from dataml.contract.types import DataType


def test_dates_are_counted_in_the_better_order() -> None:
    spellings = DateSpellings("x", has_open_order=False)
    spellings.add(pa.array(["2024-01-01"] * 8 + ["13/01/2024", "soon"]))
    assert spellings.settle(Column("x", DataType.STRING)) == Column("x", DataType.STRING)
    warning = spellings.warning
    assert warning is not None
    assert (warning.code, warning.count) == ("nearly_dates", 1)


def test_order_of_others_is_named() -> None:
    warning = warn_order_of_others("x", "mdy")
    assert (warning.code, warning.column) == ("date_order_of_others", "x")
    assert "mdy" in warning.message


def test_half_a_column_of_dates_beside_a_mark_is_named() -> None:
    spellings = DateSpellings("x", has_open_order=False)
    spellings.add(pa.array([f"2024-01-{day:02}" for day in range(1, 31)] + ["open"] * 25))
    warning = spellings.warning
    assert warning is not None
    assert (warning.code, warning.count, warning.examples) == ("nearly_dates", 25, ("open",))


def test_seasons_are_named() -> None:
    spellings = DateSpellings("x", has_open_order=False, are_seasons=True)
    spellings.add(pa.array(["2009/10", "2010/11"]))
    warning = spellings.warning
    assert warning is not None
    assert (warning.code, warning.column, warning.count) == ("season_or_month", "x", 2)
