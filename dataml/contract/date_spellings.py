"""Spellings of dates that the values of a text column can have, and what to say where none is settled."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

import numpy as np
import pyarrow as pa

from dataml.contract.columns import parse_column
from dataml.contract.contract import Column
from dataml.contract.dates import DateOrder
from dataml.contract.spelling_counts import SpellingCounts
from dataml.contract.types import DataType
from dataml.contract.value_format import ValueFormat
from dataml.contract.warnings import DataWarning


class DateSpellings(SpellingCounts):
    """How many values of a text column are dates, in the order of day and month that reads most of them."""

    def __init__(
        self, name: str, has_open_order: bool, has_both_orders: bool = False, are_seasons: bool = False
    ) -> None:
        super().__init__(name)
        self._has_open_order = has_open_order
        self._has_both_orders = has_both_orders
        self._are_seasons = are_seasons
        self._counts: dict[DateOrder, int] = {"dmy": 0, "mdy": 0, "ymd": 0}

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account."""
        cells = self._select(cells)
        for order in self._counts:
            invalid = parse_column(cells, DataType.TIMESTAMP, ValueFormat(order)).invalid_rows
            self._counts[order] += len(cells) - len(invalid)
            if len(invalid) < len(cells):
                self._add_distinct(cells.filter(pa.array(~np.isin(np.arange(len(cells)), invalid))))
            if order != "ymd":  # which few columns have, so that most dates are none in it
                self._add_others(cells.take(pa.array(invalid)))

    def settle(self, column: Column) -> Column:
        """Return the column as it is: one whose values are all dates of one order is no text."""
        return column

    @property
    def warning(self) -> DataWarning | None:
        """What keeps a column that is nearly all dates from being one, or None."""
        count = max(self._counts.values())
        if self._has_both_orders:
            return self._warn_both(self._total - count)
        if self._are_seasons:
            return self._warn_seasons()
        if self._has_open_order and count == self._total:
            message = (
                f"`{self.name}` is read as text: its dates can have the day, the month or a short year first, and no "
                "value shows which. Upload with a template in which it is Date or Timestamp with a date_order, dmy, "
                "mdy or ymd."
            )
            return DataWarning("ambiguous_date_order", message, self.name, self._total)
        return self._warn_nearly("nearly_dates", "dates", "Date or Timestamp", count)

    def _warn_seasons(self) -> DataWarning:
        message = (
            f"`{self.name}` is read as text: each value is a year and the one after it, such as 2009/10, and could be "
            "a month as well, October 2009. If it is a month, upload with a template in which it is Date."
        )
        return DataWarning("season_or_month", message, self.name, self._total)

    def _warn_both(self, others: int) -> DataWarning:
        examples = tuple(self._others)
        message = (
            f"`{self.name}` is read as text: some of its dates have the day first and some the month, such as "
            f"{', '.join(map(repr, examples))}, so that nothing shows how the others are meant. To keep the dates of "
            "one order, upload with a template in which it is Date or Timestamp with a date_order, dmy or mdy."
        )
        return DataWarning("contradictory_date_order", message, self.name, others, examples)


def warn_order_of_others(name: str, order: DateOrder) -> DataWarning:
    """Return the warning about dates whose order of day and month only other columns show."""
    message = (
        f"The dates of `{name}` are read as {order}: they can have the day or the month first, and only other columns "
        "show which. If that is wrong, upload with a template in which it has a date_order."
    )
    return DataWarning("date_order_of_others", message, name)
