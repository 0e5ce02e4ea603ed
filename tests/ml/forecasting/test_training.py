"""Training: what is tried and kept, and the forecaster that comes of it."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.ml.forecasting.forecaster import ForecastParameters
from dataml.ml.forecasting.training import TrainedForecaster, TrainingOptions, train
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
    assert (config.limits.lower, config.limits.whole) == (None, True)
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


@pytest.fixture(scope="module")
def slow_mover(tmp_path_factory: pytest.TempPathFactory) -> TrainedForecaster:
    """A training on 280 days with 0 or 1 sold, 0.27 on average."""
    folder = tmp_path_factory.mktemp("slow")
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(280)]
    sold = (np.random.default_rng(5).random(280) < 0.27).astype(np.int64)
    pq.write_table(pa.table({"day": pa.array(days, pa.date32()), "sold": sold}), folder / "rows.parquet")
    contract = Contract.build([Column("day", DataType.DATE), Column("sold", DataType.INTEGER)])
    options = TrainingOptions(contract, {"day": "Time", "sold": "Target"}, horizon=14, n_windows=3)
    return train(folder / "rows.parquet", options)


def test_a_slow_mover_is_forecast_by_its_mean(slow_mover: TrainedForecaster) -> None:
    assert slow_mover.is_small_count.tolist() == [True]
    assert "SeasonalNaive" not in slow_mover.candidates.names
    mean = slow_mover.forecaster.series.y.mean()
    (days,) = slow_mover.forecaster.forecast(ForecastParameters(28))
    assert days.values.sum() == pytest.approx(28 * mean, rel=0.25)
    assert slow_mover.backtest.metrics["rmsse"] < slow_mover.backtest.metrics["naive_rmsse"]  # type: ignore[operator]
    assert slow_mover.backtest.metrics["bias"] == pytest.approx(0, abs=0.4)


def test_weeks_of_a_slow_mover_are_narrower_than_sums_of_days(slow_mover: TrainedForecaster) -> None:
    (days,) = slow_mover.forecaster.forecast(ForecastParameters(14))
    (weeks,) = slow_mover.forecaster.forecast(ForecastParameters(1, "Week"))
    assert weeks.values[0] == pytest.approx(7 * days.values.mean(), rel=0.1)
    assert weeks.lower[0] == 0
    assert weeks.values[0] + 1 < weeks.upper[0] < 0.8 * days.upper[:7].sum()
    assert weeks.confidence[0] > days.confidence.max()
