"""The order of day, month and year in the written dates of a column, as all of its values show it."""

from dataml.contract.dates import DateOrder, detect_order_of_parts, split_date


class DateOrders:
    """What dates such as 08/09/2024 and 24-01-31 show of their order, value by value, in constant memory.

    A year of two digits may also come first. It is taken to where no other order is possible; where another one is,
    the order is open if the last part has more values than the first: days change more often than years.
    """

    def __init__(self) -> None:
        self._shown: set[str] = set()
        self._has_short_years = False
        self._may_begin_with_year = True
        self._must_begin_with_year = False
        self._first_parts: set[int] = set()
        self._last_parts: set[int] = set()

    def add(self, text: str) -> None:
        """Take a date into account; other texts show nothing."""
        parts = split_date(text)
        if parts is None:
            return
        first, second, year = parts
        order = detect_order_of_parts(first, second)
        self._shown |= {order} if order else set()
        self._has_short_years |= len(year) == 2
        self._may_begin_with_year &= len(year) == 2 and 1 <= second <= 12 and 1 <= int(year) <= 31
        self._must_begin_with_year |= len(year) == 2 and first > 31
        self._first_parts.add(first)
        self._last_parts.add(int(year))

    @property
    def order(self) -> DateOrder | None:
        """The one order that all values agree on; None when they leave it open, or contradict each other."""
        if self._may_begin_with_year and self._must_begin_with_year:
            return "ymd"
        if self.may_lead_with_year or {"dmy", "mdy"} <= self._shown:
            return None
        if "mdy" in self._shown:
            return "mdy"
        # Day and month that are equal everywhere have no order, but the year of two digits behind them has a place.
        return "dmy" if "dmy" in self._shown or (self._has_short_years and not self._shown) else None

    @property
    def may_lead_with_year(self) -> bool:
        """Whether all years have two digits and rather come first, though days or months could."""
        is_possible = self._has_short_years and self._may_begin_with_year and not self._must_begin_with_year
        return is_possible and len(self._last_parts) > len(self._first_parts)

    @property
    def is_open(self) -> bool:
        """Whether a date reads in several ways and no other value shows the order."""
        return self.order is None and ("either" in self._shown or self._has_short_years)

    @property
    def are_both(self) -> bool:
        """Whether some dates have the day first, some the month, and some read in several ways."""
        return {"dmy", "mdy"} <= self._shown and self.is_open and not self.may_lead_with_year
