"""A lagged model forecasts what mlforecast does with the same booster, reproducibly and always with a number."""

import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.models.lag_features import LIMIT, FeatureMatrix, build_training_matrix, series_scales
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.models.lagged_model import BOOSTERS, ForecastInput, LaggedModel, fit_lagged_model
from dataml.ml.forecasting.panel.covariates import GroupedSeries
from tests.ml.forecasting.lagged_series import COVARIATES, DAY, FIRST, PLAIN, build_input, daily_series, select_series

LENGTHS = (120, 120, 90, 120)


@cache
def make_rows(spec: LagSpec) -> tuple[GroupedSeries, np.ndarray, FeatureMatrix]:
    data = daily_series(LENGTHS, spec)
    scale = series_scales(data.y, data.starts, data.lengths, spec.season)
    return data, scale, build_training_matrix(spec, data, scale)


@cache
def make_model(algorithm: str, spec: LagSpec = COVARIATES) -> LaggedModel:
    return fit_lagged_model(algorithm, make_rows(spec)[2], rounds=60, seed=3)


def bare_series(y: np.ndarray, lengths: tuple[int, ...]) -> GroupedSeries:
    """Return series without covariates."""
    day = np.concatenate([np.arange(length) for length in lengths])
    starts = np.concatenate(([0], np.cumsum(lengths)))
    known, static, past = (np.empty((count, 0), np.float32) for count in (len(y), len(lengths), len(y)))
    return GroupedSeries(starts, FIRST + day * DAY, np.asarray(y, np.float64), known, static, past)


def fitted(
    data: GroupedSeries, spec: LagSpec = PLAIN, algorithm: str = "LightGBM", **options: Any
) -> tuple[LaggedModel, np.ndarray]:
    scale = series_scales(data.y, data.starts, data.lengths, spec.season)
    return fit_lagged_model(algorithm, build_training_matrix(spec, data, scale), **{"copy": False, **options}), scale


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_a_forecast_is_better_than_the_last_week(algorithm: str) -> None:
    spec, data = COVARIATES, daily_series((160,) * 3, COVARIATES)
    cutoffs = data.lengths - spec.horizon
    scale = series_scales(data.y, data.starts, cutoffs, spec.season)
    model = fit_lagged_model(algorithm, build_training_matrix(spec, data, scale).before(cutoffs), copy=False)
    at = (data.starts[:-1] + cutoffs)[:, None] + np.arange(spec.horizon)
    forecast = model.forecast(
        ForecastInput.at_cutoffs(spec, data, np.arange(3), cutoffs, scale, data.times[at], data.known[at])
    )
    error, naive = (np.abs(each - data.y[at]).mean(axis=1) for each in (forecast, data.y[at - spec.horizon]))
    assert (error < 0.5 * naive).all()


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_a_slope_continues_beyond_the_range_of_the_history(algorithm: str) -> None:
    data = bare_series(np.arange(120.0) * 3, (120,))
    model, scale = fitted(data, algorithm=algorithm)
    forecast = model.forecast(build_input(PLAIN, data, scale, 28))[0]
    assert forecast == pytest.approx(360 + 3 * np.arange(28), rel=0.05)


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_a_forecast_equals_that_of_mlforecast_with_the_same_booster(algorithm: str) -> None:
    import pandas as pd
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean, RollingStd
    from sklearn.base import BaseEstimator

    spec = replace(PLAIN, calendar=(), windows=(14, 28), means=(), swings=())
    data = daily_series((120, 120, 120))
    model, scale = fitted(data, spec, algorithm, rounds=40)

    class Relative(BaseEstimator):
        """Makes mlforecast's plain columns relative, and the booster's answer absolute."""

        def fit(self, x: Any, y: Any) -> "Relative":
            return self

        def predict(self, x: Any) -> np.ndarray:
            c, s = x["level"].to_numpy()[:, None], x["scale"].to_numpy()[:, None]
            lags, means, deviations = (x.filter(regex=each).to_numpy() for each in ("^lag", "^mean", "^deviation"))
            columns = np.concatenate(((lags - c) / s, (means - c) / s, deviations / s), axis=1)
            return (c + s * model.native.predict(columns.astype(np.float32))[:, None])[:, 0]

    def named(transform: Any, lag: int, *args: object) -> str:
        kind = "deviation" if isinstance(transform, RollingStd) else "mean"
        return "level" if transform.window_size == spec.level else f"{kind}{transform.window_size}"

    frame = pd.DataFrame(
        {"unique_id": data.series_index, "ds": data.position, "y": data.y, "scale": scale[data.series_index]}
    )
    windows = [each(window) for each in (RollingMean, RollingStd) for window in spec.windows]
    theirs = MLForecast(
        models=[Relative()],
        freq=1,
        lags=list(spec.lags),
        lag_transforms={1: [RollingMean(spec.level), *windows]},
        lag_transforms_namer=lambda transform, lag, *args: (
            f"lag{lag}" if type(transform).__name__ == "Lag" else named(transform, lag, *args)
        ),
    )
    theirs.fit(frame, static_features=["scale"])
    expected = theirs.predict(28)["Relative"].to_numpy().reshape(3, 28)
    assert model.forecast(build_input(spec, data, scale, 28)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_the_same_seed_gives_the_same_model_and_another_one_another(algorithm: str) -> None:
    rows = make_rows(COVARIATES)[2]
    first, second, other = (fit_lagged_model(algorithm, rows, rounds=20, seed=seed, copy=False) for seed in (1, 1, 2))
    assert first.native.to_bytes() == second.native.to_bytes()
    assert first.native.to_bytes() != other.native.to_bytes()


@pytest.mark.parametrize("copied", [True, False], ids=["ONNX copy", "native"])
@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_a_forecast_is_the_same_to_the_bit_after_a_reload_and_alone(algorithm: str, copied: bool) -> None:
    model = make_model(algorithm)
    assert model.onnx is not None
    content = model.native.to_bytes()
    first = LaggedModel(model.spec, lambda: model.native, model.onnx if copied else None, model.rounds)
    again = LaggedModel.load(LagSpec.from_json(model.spec.to_json()), algorithm, content, first.onnx, model.rounds)
    data, scale, _ = make_rows(model.spec)
    inputs = build_input(model.spec, data, scale, 20)
    forecast = first.forecast(inputs)
    assert (again.forecast(inputs) == forecast).all()
    alone = np.concatenate([again.forecast(select_series(inputs, i)) for i in range(len(LENGTHS))])
    assert (alone == forecast).all()


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_the_onnx_copy_forecasts_what_the_booster_does(algorithm: str) -> None:
    model = make_model(algorithm)
    native = LaggedModel(model.spec, lambda: model.native, None, model.rounds)
    data, scale, _ = make_rows(model.spec)
    inputs = build_input(model.spec, data, scale, 14)
    assert model.forecast(inputs) == pytest.approx(native.forecast(inputs), rel=1e-4)


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_contributions_and_the_base_add_up_to_the_forecast(algorithm: str) -> None:
    model, (data, scale, _) = make_model(algorithm), make_rows(COVARIATES)
    inputs = select_series(build_input(model.spec, data, scale, 14), 2)
    why = model.explain(inputs)
    assert why.names == model.spec.names
    assert why.contributions.shape == (14, model.spec.width)
    assert (why.forecast == model.forecast(inputs)[0]).all()
    assert why.base + why.contributions.sum(axis=1) == pytest.approx(why.forecast)
    # Without the level, the base is the same for every step: what an average row adds.
    values = np.concatenate((inputs.tails[0], why.forecast))
    level = np.array([values[i - model.spec.level : i].mean() for i in range(-14, 0)])
    assert why.base - level == pytest.approx((why.base - level).mean(), abs=1e-4 * scale[2])


def test_the_promotion_explains_the_steps_that_have_one() -> None:
    model, (data, scale, rows) = make_model("LightGBM"), make_rows(COVARIATES)
    inputs = select_series(build_input(model.spec, data, scale, 14), 0)
    effect = model.explain(inputs).contributions[:, model.spec.names.index("promotion")]
    has_one = inputs.known[0, :, 0] > 0
    assert 0 < has_one.sum() < 14
    assert effect[has_one].min() > effect[~has_one].max()
    importance = model.importance(rows)
    assert set(importance) == set(model.spec.names)
    assert sum(importance.values()) == pytest.approx(1)
    assert "promotion" in list(importance)[:3]


def test_beyond_the_horizon_past_covariates_are_carried_forward() -> None:
    model, (data, scale, _) = make_model("LightGBM"), make_rows(COVARIATES)
    spec = model.spec
    long, short = build_input(spec, data, scale, 40), build_input(spec, data, scale, spec.horizon)
    assert np.isfinite(model.forecast(long)).all()
    same_start = replace(long, times=short.times, known=long.known[:, : spec.horizon])
    assert (model.forecast(long)[:, : spec.horizon] == model.forecast(same_start)).all()
    later = model._fixed_features(long)[:, :, -1]
    ends = data.starts[1:, None] - 1
    assert (later[:, : spec.horizon] == data.past[ends - np.arange(spec.horizon)[::-1], 0]).all()
    assert (later[:, spec.horizon :] == data.past[ends, 0]).all()


@pytest.mark.parametrize("algorithm", BOOSTERS)
@pytest.mark.parametrize(
    ("y", "lengths"),
    [
        (np.full(60, 7.5), (60,)),
        (np.zeros(60), (60,)),
        (np.concatenate((np.full(50, 1e9), np.zeros(50))), (50, 50)),
        ([3.0, 1.0, 2.0], (3,)),
        ([3.0, 1.0], (2,)),
        ([5.0, *np.arange(60.0)], (1, 60)),
        (np.where(np.arange(80) == 40, 1e12, 0.0), (80,)),
        (np.concatenate((np.arange(40.0), np.full(20, np.nan))), (60,)),
    ],
    ids=[
        "constant",
        "zeros",
        "two constants",
        "three values",
        "two",
        "one of two series has one",
        "burst",
        "gap at end",
    ],
)
def test_a_forecast_is_always_a_number(algorithm: str, y: Any, lengths: tuple[int, ...]) -> None:
    data = bare_series(y, lengths)
    model, scale = fitted(data, algorithm=algorithm, copy=True, rounds=None)
    forecast = model.forecast(build_input(PLAIN, data, scale, 40))
    assert np.isfinite(forecast).all()
    known = data.y[np.isfinite(data.y)]
    if np.ptp(known) == 0:
        assert forecast == pytest.approx(known[0])
    assert np.isfinite(model.explain(select_series(build_input(PLAIN, data, scale, 5), 0)).contributions).all()


def test_a_forecast_without_covariates_is_finite() -> None:
    model, (data, scale, _) = make_model("XGBoost"), make_rows(COVARIATES)
    inputs = build_input(model.spec, data, scale, 14)
    nothing = replace(
        inputs,
        known=np.full_like(inputs.known, np.nan),
        static=np.full_like(inputs.static, np.nan),
        past=np.full_like(inputs.past, np.nan),
    )
    assert np.isfinite(model.forecast(nothing)).all()


def test_values_far_outside_the_scale_have_a_finite_forecast() -> None:
    model, (data, scale, _) = make_model("XGBoost"), make_rows(COVARIATES)
    inputs = build_input(model.spec, data, scale, 14)
    tails = inputs.tails.copy()
    tails[:, -1] *= 1e3 * LIMIT
    assert np.isfinite(model.forecast(replace(inputs, tails=tails))).all()


def test_a_fit_without_rows_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        fitted(bare_series(np.array([1.0]), (1,)))
    assert refused.value.code == "series_too_short"


def test_hyperparameters_of_users_override_the_defaults() -> None:
    rows = make_rows(PLAIN)[2]
    small = fit_lagged_model("LightGBM", rows, hyperparameters={"num_leaves": 2, "n_estimators": 7}, copy=False)
    assert small.rounds == 7
    assert small.native.booster.model_to_string().count("num_leaves=2\n") == 7


def test_a_last_horizon_of_noise_does_not_stop_a_booster_at_once() -> None:
    random = np.random.default_rng(0)
    assert fitted(bare_series(random.normal(size=60), (60,)))[0].rounds == 100
    faster = {"learning_rate": 0.5}
    assert fitted(bare_series(random.normal(size=60), (60,)), hyperparameters=faster)[0].rounds < 60


def test_a_forecast_needs_no_data_frames() -> None:
    frames = "{'pandas', 'mlforecast', 'coreforecast'}"
    code = f"import sys, dataml.ml.forecasting.models.lagged_model; print({frames} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "set()"
