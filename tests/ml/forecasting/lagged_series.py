"""Series made for lagged models: daily, with a week, a trend, covariates, gaps, and of any lengths."""

import numpy as np

from dataml.ml.forecasting.models.calendar_features import calendar_for
from dataml.ml.forecasting.models.lag_spec import LagSpec, spec_for
from dataml.ml.forecasting.models.lagged_model import Origin
from dataml.ml.forecasting.panel.covariates import Series

FIRST = np.datetime64("2023-01-01", "us")
DAY = np.timedelta64(1, "D")

PLAIN = spec_for(7, (7,), calendar_for("day", 120), 120, 14)
MONTHLY = spec_for(12, (12,), calendar_for("month", 60), 60, 12)
YEARLY = spec_for(1, (1,), calendar_for("year", 30), 30, 6)
HOURLY = spec_for(24, (24, 168), calendar_for("hour", 900), 900, 48)
WEEKLY = spec_for(52, (52,), calendar_for("week", 260), 260, 13)
COVARIATES = spec_for(
    7,
    (7,),
    calendar_for("day", 120),
    120,
    14,
    known=("promotion", "weather"),
    static=("region",),
    past=("visitors",),
    categorical=("weather", "region"),
)
SPECS = {"day": PLAIN, "month": MONTHLY, "year": YEARLY, "hour": HOURLY, "week": WEEKLY, "covariates": COVARIATES}


def daily(lengths: tuple[int, ...] = (120, 120, 120), spec: LagSpec = PLAIN, seed: int = 0, gaps: float = 0) -> Series:
    """Weekly swings on a slope that differ by series. `promotion`, known, adds two swings; a share of `gaps` is NaN."""
    random = np.random.default_rng(seed)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    day = np.concatenate([np.arange(length) for length in lengths])
    series = np.repeat(np.arange(len(lengths)), lengths)
    size = 10.0 ** (series % 4)
    known = np.empty((len(day), len(spec.known)), np.float32)
    if spec.known:
        known[:, 0] = random.random(len(day)) < 0.2
        known[:, 1] = random.integers(0, 3, len(day))
        known[random.random(len(day)) < 0.05, 1] = np.nan
    promotion = known[:, 0] if spec.known else 0.0
    week = np.sin(2 * np.pi * day / 7 + series)
    y = size * (20 + 0.05 * day + 3 * week + 6 * promotion + 0.3 * random.normal(size=len(day)))
    y[random.random(len(day)) < gaps] = np.nan
    y[starts[:-1]] = size[starts[:-1]] * 20
    static = (np.arange(len(lengths), dtype=np.float32) % 2)[:, None] if spec.static else np.empty((len(lengths), 0))
    past = random.normal(size=(len(day), len(spec.past)))
    return Series(starts, FIRST + day * DAY, y, known, static.astype(np.float32), past.astype(np.float32))


def origin_of(
    spec: LagSpec, data: Series, scale: np.ndarray, steps: int, cuts: np.ndarray | None = None, seed: int = 1
) -> Origin:
    """Behind the first `cuts` values, or all; the future is random."""
    cuts = data.lengths if cuts is None else cuts
    ends = data.times[data.starts[:-1]] + cuts * DAY
    times = ends[:, None] + np.arange(steps) * DAY
    random = np.random.default_rng(seed)
    known = (random.random((len(cuts), steps, len(spec.known))) < 0.2).astype(np.float32)
    return Origin.of(spec, data, cuts, scale, times, known)


def only(origin: Origin, series: int) -> Origin:
    """One series of an origin."""
    chosen = slice(series, series + 1)
    fields = (origin.tails, origin.scale, origin.times, origin.known, origin.static, origin.past)
    return Origin(*(values[chosen] for values in fields))
