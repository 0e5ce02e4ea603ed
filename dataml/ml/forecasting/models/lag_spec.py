"""Which values of the past a row of a lagged model is made of: its columns, their names, how far back they reach."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self

_RECENT = 8
_LONG_SEASON = 24
"""Up to this length every value of the last season is a lag of its own."""

_TUPLES = ("lags", "windows", "means", "swings", "calendar", "known", "static", "past", "categorical")


@dataclass(frozen=True)
class LagSpec:
    """The columns of a row, in this order; every number of the past counts steps of the series.

    A row is relative: `c`, its level, is the mean of the last `level` values before it, and `s` the scale of its series
    (`rows.scales`). `lags`: (y[t-lag] - c) / s. `windows`: mean less c, and standard deviation, of the last values,
    over s; at least half of them present. `means`, pairs (season, count): the mean of y[t-season], y[t-2 season], ...,
    less c, over s. `swings`: what y[t-lag] was above its own level, over s. Then the `calendar` features, and as they
    are the covariates: `known` at the time of the row, `static` of the series, `past` of `horizon` steps before it.
    `categorical` are names of covariates that hold codes of categories. `season` is what the scale compares with.
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

    @cached_property
    def reach(self) -> int:
        """How many of the last values the next row is made of."""
        sums = [season * count for season, count in self.means]
        return max(self.level, *self.lags, *self.windows, *sums, *(lag + self.level for lag in self.swings))

    @cached_property
    def history_width(self) -> int:
        """How many columns come from the values of the series; they are the first ones."""
        return len(self.lags) + 2 * len(self.windows) + len(self.means) + len(self.swings)

    @cached_property
    def width(self) -> int:
        return self.history_width + len(self.calendar) + len(self.known) + len(self.static) + len(self.past)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What people call the columns. Covariates keep their own names; a name of ours that a covariate has already
        says where it comes from."""
        covariates = (*self.known, *self.static, *self.past)
        history = (
            *(f"lag {lag}" for lag in self.lags),
            *(f"rolling mean {window}" for window in self.windows),
            *(f"rolling deviation {window}" for window in self.windows),
            *(f"mean of {count} values {season} apart" for season, count in self.means),
            *(f"lag {lag} above its level" for lag in self.swings),
        )
        taken = frozenset(covariates)
        ours = [f"{name} (history)" if name in taken else name for name in history]
        ours += [f"{name} (calendar)" if name in taken else name for name in self.calendar]
        return (*ours, *covariates)

    @cached_property
    def categorical_positions(self) -> tuple[int, ...]:
        """The columns that hold codes of categories."""
        first = self.history_width + len(self.calendar)
        codes = frozenset(self.categorical)
        return tuple(i for i, name in enumerate(self.names) if i >= first and name in codes)

    def to_json(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        values: dict[str, Any] = dict(record) | {name: tuple(record[name]) for name in _TUPLES}
        values["means"] = tuple((season, count) for season, count in record["means"])
        return cls(**values)


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def spec_for(
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
    """What to look at in series of about `length` values, `season` steps a season (1: none), perhaps other `seasons`.

    A lag is taken when it leaves at least as many rows that have it as rows that have not: short series get short ones.
    """
    deepest = max(1, (length - horizon) // 2)
    usable = sorted({each for each in (season, *seasons) if 1 < each <= deepest})
    main = season if season in usable else 1
    recent = min(main if 1 < main <= _LONG_SEASON else _RECENT, deepest)
    seasonal = {lag for each in usable for lag in (each, 2 * each, *_beside(each)) if lag <= deepest}
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


def _beside(season: int) -> tuple[int, ...]:
    return (season - 1, season + 1) if season > _LONG_SEASON else ()
