"""An update scores the forecaster on new observations before it appends them."""

from pathlib import Path

import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters
from dataml.ml.forecasting.update import update_forecaster
from tests.ml.forecasting.training_data import make_rows, train_on, write_bundle


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Forecaster:
    return train_on(tmp_path_factory.mktemp("trained"), "SeasonalNaive").forecaster


def test_new_observations_are_scored_by_the_forecasts_made_before_them(forecaster: Forecaster) -> None:
    rows = make_rows(first=110, extra=4)
    update = update_forecaster(forecaster, rows)
    forecasts = forecaster.forecast(ForecastParameters(4))
    of_a, of_b = np.split(rows["y"].to_numpy(), [14])
    truth = [of_a[10:], of_b]
    errors = np.concatenate([series.values - own for series, own in zip(forecasts, truth, strict=True)])
    inside = [(series.lower <= own) & (own <= series.upper) for series, own in zip(forecasts, truth, strict=True)]
    assert update.comparison["metric"] == "wape"
    assert (update.comparison["rows"], update.comparison["windows"], update.added) == (8, 1, 8)
    wape = np.abs(errors).sum() / np.concatenate(truth).sum()
    # In the first window both versions know the same.
    assert update.comparison["before"] == update.comparison["after"] == pytest.approx(wape)
    assert update.comparison["coverage"] == np.concatenate(inside).mean()
    assert update.warnings == ()
    assert (update.forecaster.last_times - forecaster.last_times == np.timedelta64(4, "h")).all()


def test_each_window_is_forecast_from_the_values_before_it(forecaster: Forecaster) -> None:
    update = update_forecaster(forecaster, make_rows(first=110, extra=50))
    horizon = forecaster.config.horizon
    errors, size = 0.0, 0.0
    for start in range(0, 50, horizon):
        state = forecaster if not start else forecaster.update(make_rows(first=110, extra=start))
        end = min(start + horizon, 50)
        rows = make_rows(first=110, extra=end)["y"].to_numpy()
        truth = np.split(rows, [10 + end])
        for series, own in zip(state.forecast(ForecastParameters(end - start)), truth, strict=True):
            known = own[-(end - start) :]
            errors, size = errors + np.abs(series.values - known).sum(), size + known.sum()
    assert (update.comparison["rows"], update.comparison["windows"]) == (100, -(-50 // horizon))
    assert update.comparison["after"] == pytest.approx(errors / size)
    assert update.comparison["before"] != update.comparison["after"]


def test_the_confidence_counts_the_new_values_in(forecaster: Forecaster) -> None:
    rows = make_rows(first=110, extra=12)
    alone = update_forecaster(forecaster, rows).forecaster.config.confidence
    weighed = update_forecaster(forecaster, rows, backtest_values=4).forecaster.config.confidence
    for own, new, both in zip(forecaster.config.confidence, alone, weighed, strict=True):
        assert both == pytest.approx((own + new) / 2)


def test_series_without_new_observations_are_not_scored(forecaster: Forecaster) -> None:
    rows = make_rows(first=110, extra=3)
    update = update_forecaster(forecaster, rows.slice(0, 13))
    assert update.comparison["rows"] == 3
    moved = update.forecaster.last_times - forecaster.last_times
    assert moved.tolist() == [np.timedelta64(3, "h"), np.timedelta64(0, "h")]


def test_known_observations_change_nothing_and_are_reported(forecaster: Forecaster) -> None:
    update = update_forecaster(forecaster, make_rows(first=105))
    assert update.comparison["rows"] == 0
    assert update.comparison["after"] is None
    assert [warning.code for warning in update.warnings] == ["known_observations"]
    assert (update.forecaster.last_times == forecaster.last_times).all()


def test_a_corrected_value_is_refused(forecaster: Forecaster) -> None:
    rows = make_rows(first=109, extra=2)
    changed = rows.set_column(2, "y", [[value + 1 for value in rows["y"].to_pylist()]])
    with pytest.raises(Invalid) as refused:
        update_forecaster(forecaster, changed)
    assert refused.value.code == "duplicate_timestamps"
    update = update_forecaster(forecaster, changed, "use")
    assert [warning.code for warning in update.warnings] == ["revised_observations"]


def test_the_report_of_the_parent_gets_the_comparison(forecaster: Forecaster, tmp_path: Path) -> None:
    update = update_forecaster(forecaster, make_rows(first=110, extra=4))
    parent = write_bundle(tmp_path / "with", forecaster, {"windows": 2})
    report = update.report(parent)
    assert report["windows"] == 2
    assert report["new_observations"].items() >= update.comparison.items()
    assert report["new_observations"]["scores"]["values"] == 8
    assert set(update.report(write_bundle(tmp_path / "without", forecaster))) == {"new_observations"}
