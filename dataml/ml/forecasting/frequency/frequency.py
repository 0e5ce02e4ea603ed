"""The frequency of a series: its name, its steps through the calendar, and buckets of coarser ones."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np

from dataml.contract.local_times import to_local_times, to_moments
from dataml.errors import Invalid
from dataml.ml.forecasting.frequency import calendar
from dataml.ml.forecasting.frequency.aliases import MONTH_END, Unit, parse_alias
from dataml.suggestions import describe_unknown

MAX_COUNT: Final = 9_999
_SECONDS: Final = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
_MONTHS: Final = {"year": 12, "quarter": 3, "month": 1}
_SUB_DAILY: Final = ("second", "minute", "hour")
_WORDS: Final = ("Minute", "Hour", "Day", "Business day", "Week", "Month", "Quarter", "Year")
_UNDERSTOOD: Final = (
    f"a word ({', '.join(_WORDS)}), also with a count (15 minutes), "
    "a pandas alias (15min, h, D, B, W, MS, ME, QS, YS) or an ISO 8601 duration (PT15M, P1D, P1M)"
)


class BucketSteps(NamedTuple):
    """Numbers of steps that whole buckets in the future take.

    `skipped` steps complete the bucket that the history has begun; `steps`, those included, complete the last bucket.
    """

    skipped: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True)
class Frequency:
    """A step of time.

    Make new ones with `from_unit`, `parse` or `detection.detect_frequency`, which normalise equal steps: 60
    minutes are an hour, 7 days a week, 3 months a quarter.

    `anchor_day` belongs to months, quarters and years: 31 stays on the last day of the month, 29 and 30 are clipped to
    it where the month is shorter; None keeps the day of the month that a series has. `week_start` is the first day of
    a week's bucket, 0 for Monday; weekly series themselves may lie on any day. Times are those on the clock of
    `time_zone`, without an offset; with None they are in UTC. Only days and longer steps have a zone: a local day of 23
    hours is one step, while an hour is an hour on any clock.
    """

    unit: Unit
    count: int = 1
    anchor_day: int | None = None
    week_start: int = 0
    time_zone: str | None = None

    @classmethod
    def from_unit(cls, unit: Unit, count: int = 1, anchor_day: int | None = None, week_start: int = 0) -> Self:
        """Return the normalised frequency of a count of units.

        Raises:
            Invalid: `unknown_frequency`: the count is below 1, or the step is too long.
        """
        if unit in _MONTHS:
            unit, count = _in_months(count * _MONTHS[unit])
        elif unit in _SECONDS:
            unit, count = _in_seconds(count * _SECONDS[unit])
        if not 1 <= count <= (1 if unit == "business_day" else MAX_COUNT):
            raise Invalid(
                f"A frequency of {count:,} times a {_unit_name(unit)} is not possible.", code="unknown_frequency"
            )
        anchored = anchor_day if unit in _MONTHS and anchor_day and anchor_day > 28 else None
        return cls(unit, count, anchored, week_start if unit == "week" else 0)

    @classmethod
    def parse(cls, text: object) -> Self:
        """Parse a word in any case, a pandas offset alias, or an ISO 8601 duration.

        W-SUN is a week that ends on Sunday, so its bucket begins on Monday, as that of a plain week.

        Raises:
            Invalid: `unknown_frequency`: the text is none of these; the message lists what is understood.
        """
        alias = parse_alias(text) if isinstance(text, str) else None
        if alias is None or alias.number < 1:
            detail = describe_unknown("frequency", str(text), _WORDS)
            raise Invalid(f"{detail} Write {_UNDERSTOOD}.", code="unknown_frequency")
        return cls.from_unit(*alias)

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the frequency that `to_json` wrote."""
        frequency = cls.from_unit(data["unit"], data["count"], data["anchor_day"], data["week_start"])
        return frequency.on_clock(data.get("time_zone"))

    def on_clock(self, time_zone: str | None) -> Self:
        """Return the frequency of times on the clock of a zone; steps below a day are always in UTC."""
        return replace(self, time_zone=time_zone if self.is_date_based else None)

    @property
    def name(self) -> str:
        """The name for people, which `parse` reads too: "Day", "15 minutes", "Business day"."""
        word = _unit_name(self.unit)
        return word.capitalize() if self.count == 1 else f"{self.count} {word}s"

    @property
    def is_date_based(self) -> bool:
        """Whether times are formatted as dates."""
        return self.unit not in _SUB_DAILY

    @property
    def seasons(self) -> tuple[int, ...]:
        """The seasonal cycles that may matter, in steps, the main one first; (1,) where there is none.

        An hour has the day and the week, 24 and 168; finer ones from five minutes on alike; a minute the hour and the
        day; a day the week and the year of 365 days; a business day the week and the year of 52 weeks.
        """
        if self.unit in _SUB_DAILY:
            step = self.count * _SECONDS[self.unit]
            cycles = (60, 3_600) if step < 60 else (3_600, 86_400) if step < 300 else (86_400, 604_800)
            lengths = [cycle // step for cycle in cycles if cycle % step == 0]
        elif self.unit == "day":
            # A week's pattern comes back after seven steps, however many days they have.
            lengths = [7, 365 // self.count] if self.count < 46 else [7]
        elif self.unit == "business_day":
            lengths = [5, 260]
        elif self.unit == "week":
            lengths = [52 // self.count]
        else:
            lengths = [12 // self._months] if 12 % self._months == 0 else []
        return tuple(sorted({length for length in lengths if length > 1})) or (1,)

    @property
    def season_length(self) -> int:
        """The main season, in steps; 1 where there is none."""
        return self.seasons[0]

    @property
    def default_horizon(self) -> int:
        """The horizon of the M4 competition at this frequency (Makridakis et al., 2020, table 1), in steps.

        It is shorter where a step is longer; a business day has two weeks, minutes an hour to a day.
        """
        if self.unit == "second" or (self.unit == "minute" and self.count < 5):
            return 60
        if self.unit == "minute":
            return min(96, 1_440 // self.count)
        whole = {"hour": 48, "day": 14, "business_day": 10, "week": 13, "month": 18, "quarter": 8, "year": 6}[self.unit]
        return max(whole // self.count, min(whole, 6))

    def has_same_step(self, other: "Frequency") -> bool:
        """Return whether both have the same step, be it from another day of the month or week."""
        return (self.unit, self.count) == (other.unit, other.count)

    def shift(self, times: np.ndarray, steps: np.ndarray | int) -> np.ndarray:
        """Return each time moved by a number of steps, forwards or back, datetime64[us]; the two arguments broadcast.

        From a Saturday or Sunday business days are counted as from the Friday before.
        """
        times = np.asarray(times, "datetime64[us]")
        if self.unit in _SECONDS:
            return times + (np.asarray(steps, np.int64) * self._step_us).astype("timedelta64[us]")
        clock = calendar.time_of_day(times).astype("timedelta64[us]")
        if self.unit == "business_day":
            return calendar.from_business_days(calendar.business_days(times) + steps) + clock
        day = self.anchor_day or calendar.days_of_month(times)
        return calendar.day_in_month(calendar.months(times) + np.asarray(steps, np.int64) * self._months, day) + clock

    def times_after(self, last: np.datetime64 | np.ndarray, steps: int) -> np.ndarray:
        """Return the next `steps` times: (steps,) after one time, (series, steps) after those of several series."""
        return self.shift(np.asarray(last, "datetime64[us]")[..., None], np.arange(1, steps + 1))

    def count_steps(self, first: np.ndarray, until: np.ndarray) -> np.ndarray:
        """Return how many whole steps lie between `first` and `until`, int64; the two broadcast."""
        first, until = np.asarray(first, "datetime64[us]"), np.asarray(until, "datetime64[us]")
        if self.unit in _SECONDS:
            return np.floor_divide(calendar.microseconds(until) - calendar.microseconds(first), self._step_us)
        if self.unit == "business_day":
            steps = calendar.business_days(until) - calendar.business_days(first)
        else:
            steps = np.floor_divide(calendar.months(until) - calendar.months(first), self._months)
        return steps - (self.shift(first, steps) > until)

    def positions(self, times: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the step number of each time in its series, and whether the time lies on the grid of steps.

        The grid begins at the first time of each series.

        Args:
            times: (rows,), sorted within each series.
            starts: (series + 1,); no series is empty.

        Returns:
            int64 and bool, (rows,). A time off the grid has the number of the step before.
        """
        first = np.repeat(times[starts[:-1]], np.diff(starts))
        if self.unit in _SECONDS:
            steps, rest = np.divmod(calendar.microseconds(times) - calendar.microseconds(first), self._step_us)
            return steps, rest == 0
        same_clock = calendar.time_of_day(times) == calendar.time_of_day(first)
        if self.unit == "business_day":
            steps = calendar.business_days(times) - calendar.business_days(first)
            return steps, same_clock & (calendar.weekdays(times) < 5)
        month = calendar.months(times)
        steps, rest = np.divmod(month - calendar.months(first), self._months)
        wanted = calendar.days_of_month(first)
        if self.anchor_day:
            wanted = np.minimum(self.anchor_day, calendar.month_lengths(month))
        return steps, same_clock & (rest == 0) & (calendar.days_of_month(times) == wanted)

    def is_multiple_of(self, finer: "Frequency") -> bool:
        """Return whether a bucket is made of whole steps of `finer`: a month of days, but not of weeks."""
        if self.has_same_step(finer):
            return True
        if finer.unit == "business_day":
            return self.unit == "week" or self.unit in _MONTHS
        if self.unit == "business_day" or (finer.unit in _MONTHS and self.unit not in _MONTHS):
            return False
        if finer.unit in _MONTHS:
            return self._months % finer._months == 0
        whole = calendar.DAY_US if self.unit in _MONTHS else self._step_us
        return whole % finer._step_us == 0

    def read_moments(self, moments: np.ndarray) -> np.ndarray:
        """Return moments in UTC as times on the clock of the frequency, datetime64[us].

        A day that begins at its first moment, as clocks were put forward over midnight, begins at midnight; so do steps
        of another time of day than midnight, which is the most common one.
        """
        if self.time_zone is None or not moments.size:
            return moments
        utc = calendar.microseconds(moments).ravel()
        local = to_local_times(utc, self.time_zone)
        clocks, counts = np.unique(np.remainder(local, calendar.DAY_US), return_counts=True)
        for clock in {0, int(clocks[counts.argmax()])}:
            usual = local - np.remainder(local, calendar.DAY_US) + clock
            local = np.where(to_moments(usual, self.time_zone).moments == utc, usual, local)
        return calendar.from_microseconds(local).reshape(moments.shape)

    def to_moments(self, times: np.ndarray) -> np.ndarray:
        """Return times on the clock of the frequency as moments in UTC, datetime64[us].

        A time that clocks were put forward over is moved forward, too; of two equal ones it is the first.
        """
        if self.time_zone is None:
            return times
        found = to_moments(calendar.microseconds(times).ravel(), self.time_zone)
        return calendar.from_microseconds(found.moments).reshape(times.shape)

    def convert_times(self, times: np.ndarray, clock: "Frequency") -> np.ndarray:
        """Return times on the clock of another frequency as times on the own one."""
        return times if clock.time_zone == self.time_zone else self.read_moments(clock.to_moments(times))

    def bucket_labels(self, times: np.ndarray) -> np.ndarray:
        """Return the label of the bucket that each time lies in, datetime64[us].

        A label is the bucket's first day (or time), or its last day where the frequency stays on month ends. Weeks
        run from Monday to Sunday (ISO 8601) unless `week_start` says otherwise. Buckets of several units are
        counted from 1970.
        """
        starts = self._bucket_starts(np.asarray(times, "datetime64[us]"))
        if self.anchor_day == MONTH_END:
            return calendar.day_in_month(calendar.months(starts) + self._months - 1, MONTH_END)
        return starts

    def count_bucket_steps(self, finer: "Frequency", last: np.datetime64 | np.ndarray, buckets: int) -> BucketSteps:
        """Return how many steps of `finer` after `last` complete a number of buckets that lie wholly in the future.

        The rest of a bucket that the history has begun is skipped. `last` is on the clock of `finer`; shapes are those
        of `last`.
        """
        last = np.asarray(last, "datetime64[us]")
        first = self._bucket_starts(self.convert_times(finer.shift(last, 1), finer))
        begins = np.where(
            self._bucket_starts(self.convert_times(last, finer)) == first, self._next_buckets(first, 1), first
        )
        moment = np.timedelta64(1, "us")
        ends = finer.convert_times(self._next_buckets(begins, buckets), self)
        begins = finer.convert_times(begins, self)
        return BucketSteps(finer.count_steps(last, begins - moment), finer.count_steps(last, ends - moment))

    def format_times(self, times: np.ndarray) -> list[str]:
        """Return times as JSON has them: dates for a day and coarser, else moments in ISO 8601 with Z.

        Dates are those of the frequency's clock. Days that do not begin at its midnight keep their time: another date
        may be meant.
        """
        times = np.asarray(times, "datetime64[us]")
        if self.is_date_based and not calendar.time_of_day(times).any():
            return np.datetime_as_string(times, unit="D").tolist()
        times = self.to_moments(times)
        clock = calendar.time_of_day(times)
        unit = "us" if np.remainder(clock, calendar.SECOND_US).any() else "s"
        return [f"{text}Z" for text in np.datetime_as_string(times, unit=unit).tolist()]

    @property
    def _months(self) -> int:
        return self.count * _MONTHS[self.unit]

    @property
    def _step_us(self) -> int:
        return self.count * _SECONDS[self.unit] * calendar.SECOND_US

    def _bucket_starts(self, times: np.ndarray) -> np.ndarray:
        if self.unit in _MONTHS:
            return calendar.month_starts(calendar.months(times) // self._months * self._months)
        step = calendar.DAY_US if self.unit == "business_day" else self._step_us
        origin = (self.week_start - 3) * calendar.DAY_US if self.unit == "week" else 0  # 1970 began on a Thursday
        return calendar.from_microseconds((calendar.microseconds(times) - origin) // step * step + origin)

    def _next_buckets(self, starts: np.ndarray, steps: int) -> np.ndarray:
        if self.unit in _MONTHS:
            return calendar.month_starts(calendar.months(starts) + steps * self._months)
        return self.shift(starts, steps)


def _in_months(months: int) -> tuple[Unit, int]:
    if months % 12 == 0:
        return "year", months // 12
    return ("quarter", 1) if months == 3 else ("month", months)


def _in_seconds(seconds: int) -> tuple[Unit, int]:
    unit: Unit
    for unit in ("week", "day", "hour", "minute"):
        if seconds % _SECONDS[unit] == 0:
            return unit, seconds // _SECONDS[unit]
    return "second", seconds


def _unit_name(unit: Unit) -> str:
    return unit.replace("_", " ")
