"""Generated series for lagged models: daily, with a weekly season, a trend, covariates, gaps, and of any lengths."""

import numpy as np

from dataml.ml.forecasting.models.calendar_features import select_calendar_features
from dataml.ml.forecasting.models.lag_spec import LagSpec, select_lags
from dataml.ml.forecasting.models.lagged_model import ForecastInput
from dataml.ml.forecasting.panel.covariates import GroupedSeries

FIRST = np.datetime64("2023-01-01", "us")
DAY = np.timedelta64(1, "D")

PLAIN = select_lags(7, (7,), select_calendar_features("day", 120), 120, 14)
MONTHLY = select_lags(12, (12,), select_calendar_features("month", 60), 60, 12)
YEARLY = select_lags(1, (1,), select_calendar_features("year", 30), 30, 6)
HOURLY = select_lags(24, (24, 168), select_calendar_features("hour", 900), 900, 48)
WEEKLY = select_lags(52, (52,), select_calendar_features("week", 260), 260, 13)
COVARIATES = select_lags(
    7,
    (7,),
    select_calendar_features("day", 120),
    120,
    14,
    known=("promotion", "weather"),
    static=("region",),
    past=("visitors",),
    categorical=("weather", "region"),
)
SPECS = {"day": PLAIN, "month": MONTHLY, "year": YEARLY, "hour": HOURLY, "week": WEEKLY, "covariates": COVARIATES}


def daily_series(
    lengths: tuple[int, ...] = (120, 120, 120), spec: LagSpec = PLAIN, seed: int = 0, gaps: float = 0
) -> GroupedSeries:
    """Return series with a weekly season on a slope; `promotion`, known, adds to it; a share of `gaps` is NaN."""
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
    return GroupedSeries(starts, FIRST + day * DAY, y, known, static.astype(np.float32), past.astype(np.float32))


def build_input(
    spec: LagSpec, data: GroupedSeries, scale: np.ndarray, steps: int, cutoffs: np.ndarray | None = None, seed: int = 1
) -> ForecastInput:
    """Return the input of a forecast after the first `cutoffs` values of each series, or all; the future is random."""
    cutoffs = data.lengths if cutoffs is None else cutoffs
    ends = data.times[data.starts[:-1]] + cutoffs * DAY
    times = ends[:, None] + np.arange(steps) * DAY
    random = np.random.default_rng(seed)
    known = (random.random((len(cutoffs), steps, len(spec.known))) < 0.2).astype(np.float32)
    return ForecastInput.at_cutoffs(spec, data, np.arange(len(cutoffs)), cutoffs, scale, times, known)


def select_series(inputs: ForecastInput, series: int) -> ForecastInput:
    """Return the input of one series."""
    chosen = slice(series, series + 1)
    fields = (inputs.tails, inputs.scale, inputs.times, inputs.known, inputs.static, inputs.past)
    return ForecastInput(*(values[chosen] for values in fields))
