"""The columns of a lagged model: lags, rolling statistics, calendar features and covariates."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self

_RECENT_LAGS = 8
"""Lags of the last values where there is no short season."""
_LONG_SEASON = 24
"""Season in steps up to which every value of the last season is a lag of its own."""

_TUPLE_FIELDS = ("lags", "windows", "means", "swings", "calendar", "known", "static", "past", "categorical")


@dataclass(frozen=True)
class LagSpec:
    """The columns of a row, in this order; lags, windows and seasons are in steps of the series.

    A row is relative: `c`, its level, is the mean of the last `level` values before it, and `s` the scale of its series
    (`lag_features.series_scales`). The columns are

    - `lags`: (y[t-lag] - c) / s;
    - `windows`: the mean less c, and the standard deviation, of the last values, over s; at least half of them present;
    - `means`, pairs (season, count): the mean of y[t-season], y[t-2 season], ..., less c, over s;
    - `swings`: y[t-lag] less its own level, over s;
    - `calendar` features;
    - the covariates as they are: `known` at the time of the row, `static` of the series, `past` of `horizon` steps
      before the row.

    `categorical` are names of covariates that hold codes of categories. `season` is the lag that the scale is made of.
    `time_zone` is that of the clock of calendar features, None where times are on their clock themselves.
    """

    horizon: int
    season: int
    level: int
    lags: tuple[int, ...]
    windows: tuple[int, ...] = ()
    means: tuple[tuple[int, int], ...] = ()
    swings: tuple[int, ...] = ()
    calendar: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    categorical: tuple[str, ...] = field(default=())
    time_zone: str | None = None

    @cached_property
    def reach(self) -> int:
        """The number of last values that the next row is made of."""
        spans = [season * count for season, count in self.means]
        return max(self.level, *self.lags, *self.windows, *spans, *(lag + self.level for lag in self.swings))

    @cached_property
    def history_width(self) -> int:
        """The number of columns made of values of the series; they are the first ones."""
        return len(self.lags) + 2 * len(self.windows) + len(self.means) + len(self.swings)

    @cached_property
    def width(self) -> int:
        """The number of columns."""
        return self.history_width + len(self.calendar) + len(self.known) + len(self.static) + len(self.past)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns for people.

        Covariates keep their names; another column of the same name gets its origin added.
        """
        covariates = (*self.known, *self.static, *self.past)
        history = (
            *(f"lag {lag}" for lag in self.lags),
            *(f"rolling mean {window}" for window in self.windows),
            *(f"rolling deviation {window}" for window in self.windows),
            *(f"mean of {count} values {season} apart" for season, count in self.means),
            *(f"lag {lag} above its level" for lag in self.swings),
        )
        reserved = frozenset(covariates)
        own = [f"{name} (history)" if name in reserved else name for name in history]
        own += [f"{name} (calendar)" if name in reserved else name for name in self.calendar]
        return (*own, *covariates)

    @cached_property
    def categorical_positions(self) -> tuple[int, ...]:
        """The positions of columns that hold codes of categories."""
        first = self.history_width + len(self.calendar)
        codes = frozenset(self.categorical)
        return tuple(i for i, name in enumerate(self.names) if i >= first and name in codes)

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values for `from_json`."""
        return {name: _to_lists(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the spec that `to_json` wrote."""
        values: dict[str, Any] = dict(record) | {name: tuple(record[name]) for name in _TUPLE_FIELDS}
        values["means"] = tuple((season, count) for season, count in record["means"])
        return cls(**values)


def _to_lists(value: Any) -> Any:
    return [_to_lists(each) for each in value] if isinstance(value, tuple) else value


def select_lags(
    season: int,
    seasons: tuple[int, ...],
    calendar: tuple[str, ...],
    length: int,
    horizon: int,
    *,
    known: tuple[str, ...] = (),
    static: tuple[str, ...] = (),
    past: tuple[str, ...] = (),
    categorical: tuple[str, ...] = (),
) -> LagSpec:
    """Select the columns for series of about `length` values, with a `season` in steps (1: none) and other `seasons`.

    A lag is used when at least as many rows have it as have not: short series get short lags.
    """
    deepest = max(1, (length - horizon) // 2)
    usable = sorted({each for each in (season, *seasons) if 1 < each <= deepest})
    main = season if season in usable else 1
    recent = min(main if 1 < main <= _LONG_SEASON else _RECENT_LAGS, deepest)
    seasonal = {lag for each in usable for lag in (each, 2 * each, *_adjacent_lags(each)) if lag <= deepest}
    level = main if 1 < main <= _LONG_SEASON else recent
    windows = {level * times for times in (2, 4)} | ({3} if level > 4 else set()) | set(usable)
    counts = {each: min(4, deepest // each) for each in usable}
    return LagSpec(
        horizon=horizon,
        season=main,
        level=level,
        lags=tuple(sorted({*range(1, recent + 1)} | seasonal)),
        windows=tuple(sorted(window for window in windows if level != window <= deepest and window > 1)),
        means=tuple((each, count) for each, count in counts.items() if count > 1),
        swings=tuple(lag for lag in usable if lag + level <= length - horizon),
        calendar=calendar,
        known=known,
        static=static,
        past=past,
        categorical=categorical,
    )


def _adjacent_lags(season: int) -> tuple[int, ...]:
    return (season - 1, season + 1) if season > _LONG_SEASON else ()
