"""Training: what is tried and kept, and the forecaster that comes of it."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.forecaster import ForecastParameters
from dataml.ml.forecasting.panel.covariates import GroupedSeries
from dataml.ml.forecasting.training import TrainedForecaster, TrainingOptions, seasonal_naive_error, train
from tests.ml.forecasting.training_data import CONTRACT, ROLES, make_rows, train_on


def test_one_algorithm_is_trained_and_compared_with_the_seasonal_naive(tmp_path: Path) -> None:
    trained = train_on(tmp_path, "Theta")
    assert trained.candidates.names == ("Theta",)
    assert trained.combination.rule == "Theta"
    assert [member.algorithm for member in trained.forecaster.members] == ["Theta"]
    assert trained.forecaster.weights.tolist() == [[1.0], [1.0]]
    assert trained.backtest.metrics["naive_mase"] is not None
    assert (trained.rows, trained.used) == (230, 230)
    assert (trained.splits.n_windows, trained.splits.horizon) == (2, 6)


def test_auto_weighs_several_candidates_for_each_series(auto_training: TrainedForecaster) -> None:
    trained = auto_training
    assert len(trained.candidates.names) == 6
    assert trained.forecaster.weights.sum(axis=1) == pytest.approx(1)
    assert set(trained.candidates.names) <= set(trained.combination.scores)
    assert trained.backtest.metrics["mase"] < trained.backtest.metrics["naive_mase"]  # type: ignore[operator]


def test_the_config_is_that_of_the_data_and_the_options(tmp_path: Path) -> None:
    config = train_on(tmp_path, "SeasonalNaive", horizon=4, season_length=12).forecaster.config
    assert (config.frequency.name, config.season, config.horizon) == ("Hour", 12, 4)
    assert config.limits.lower == 0
    assert len(config.confidence) == 4


def test_the_forecaster_keeps_as_much_history_as_its_members_need(tmp_path: Path) -> None:
    forecaster = train_on(tmp_path, "SeasonalNaive").forecaster
    assert forecaster.series.lengths.tolist() == [24, 24]
    assert forecaster.panel.y.tolist() == forecaster.series.y.tolist()
    assert len(forecaster.forecast(ForecastParameters(3))) == 2


def test_numeric_exogenous_columns_are_regressors(auto_training: TrainedForecaster) -> None:
    assert auto_training.forecaster.regressors == (0,)
    assert auto_training.forecaster.needs_future


def test_progress_rises_to_the_last_fit(tmp_path: Path) -> None:
    pq.write_table(make_rows(), tmp_path / "rows.parquet")
    shares: list[float] = []
    options = TrainingOptions(CONTRACT, ROLES, "LightGBM", horizon=6, n_windows=2)
    train(tmp_path / "rows.parquet", options, lambda share, phrase: shares.append(share))
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] < 1


def test_a_horizon_longer_than_the_series_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        train_on(tmp_path, "Theta", horizon=200)
    assert refused.value.code == "series_too_short"


def test_the_seasonal_naive_error_is_that_before_the_first_window() -> None:
    y = np.array([0.0, 1, 2, 3, 100, 200, 5, 6, 7])
    empty = (np.empty((9, 0)), np.empty((2, 0)), np.empty((9, 0)))
    data = GroupedSeries(np.array([0, 6, 9]), np.zeros(9, "datetime64[us]"), y, *empty)
    splits = BacktestSplits(2, np.array([[4, -1]]))
    assert seasonal_naive_error(data, splits, 2).tolist() == [2.0, 2.0]
    # No season of 5 has passed twice before the cutoff: the naive is compared instead.
    assert seasonal_naive_error(data, splits, 5).tolist() == [1.0, 1.0]
