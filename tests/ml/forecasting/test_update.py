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
    assert update.comparison["rows"] == 8
    assert update.comparison["after"] == pytest.approx(np.abs(errors).sum() / np.concatenate(truth).sum())
    assert update.comparison["coverage"] == np.concatenate(inside).mean()
    assert update.warnings == ()
    assert (update.forecaster.last_times - forecaster.last_times == np.timedelta64(4, "h")).all()


def test_at_most_a_horizon_of_each_series_is_scored(forecaster: Forecaster) -> None:
    assert update_forecaster(forecaster, make_rows(first=110, extra=50)).comparison["rows"] == 2 * 6


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


def test_the_report_of_the_parent_gets_the_comparison(forecaster: Forecaster, tmp_path: Path) -> None:
    update = update_forecaster(forecaster, make_rows(first=110, extra=4))
    parent = write_bundle(tmp_path / "with", forecaster, {"windows": 2})
    assert update.report(parent) == {"windows": 2, "new_observations": update.comparison}
    assert update.report(write_bundle(tmp_path / "without", forecaster)) == {"new_observations": update.comparison}
