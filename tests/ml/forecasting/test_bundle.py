"""A bundle holds plain files, verifies them when loaded, and gives the same forecaster back."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dataml.ml.bundle.manifest import BundleDamaged
from dataml.ml.forecasting.bundle import FORECAST, HISTORY, SERIES, bundle_files, load_forecaster
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters
from dataml.ml.forecasting.training import TrainedForecaster
from tests.ml.forecasting.training_data import make_future, write_bundle

OLD_DAY = ForecastParameters(1, "Day")


@pytest.fixture
def forecaster(auto_training: TrainedForecaster) -> Forecaster:
    return auto_training.forecaster


@pytest.fixture
def bundle(forecaster: Forecaster, tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle", forecaster)


def test_a_bundle_holds_json_parquet_and_native_models(forecaster: Forecaster) -> None:
    files = bundle_files(forecaster)
    assert {"contract.json", "preprocess.json", FORECAST, SERIES, HISTORY} <= set(files)
    assert {Path(name).suffix for name in files} <= {".json", ".parquet", ".txt", ".ubj", ".onnx"}
    record = json.loads(files[FORECAST])
    assert set(record) == {
        *("frequency", "season", "horizon", "fill", "roles", "limits", "confidence", "covariates", "regressors"),
        *("members", "intervals", "sum_intervals", "is_median", "hierarchy"),
    }


def test_a_loaded_forecaster_forecasts_the_same_to_the_bit(forecaster: Forecaster, bundle: Path) -> None:
    loaded = load_forecaster(bundle)
    assert (loaded.config, loaded.contract, loaded.covariates) == (
        forecaster.config,
        forecaster.contract,
        forecaster.covariates,
    )
    parameters = ForecastParameters(9, explain=True)
    for before, after in zip(
        forecaster.forecast(parameters, make_future(9)), loaded.forecast(parameters, make_future(9)), strict=True
    ):
        for name in ("times", "values", "confidence", "lower", "upper"):
            assert np.array_equal(getattr(before, name), getattr(after, name)), name
        assert before.explanation == after.explanation


def test_files_of_a_loaded_forecaster_are_the_same(forecaster: Forecaster, bundle: Path) -> None:
    assert bundle_files(load_forecaster(bundle)) == bundle_files(forecaster)


@pytest.mark.parametrize("name", [FORECAST, SERIES, HISTORY, "contract.json", "manifest.json"])
def test_an_absent_file_is_damage(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleDamaged):
        load_forecaster(bundle)


def test_a_changed_file_is_damage(bundle: Path) -> None:
    path = bundle / HISTORY
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleDamaged):
        load_forecaster(bundle)


def test_a_bundle_of_another_kind_is_refused(bundle: Path) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["files"][FORECAST]
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleDamaged, match="not that of a forecast"):
        load_forecaster(bundle)


def test_a_bundle_of_version_0_1_has_one_floor_and_no_sums(forecaster: Forecaster, tmp_path: Path) -> None:
    files = bundle_files(forecaster)
    record = json.loads(files[FORECAST])
    del record["sum_intervals"], record["is_median"], record["covariates"]["complete"]
    record["limits"]["lower"] = 0.0
    table = pq.read_table(io.BytesIO(files[SERIES]))
    kept = [name for name in table.column_names if name != "floor"]
    sink = io.BytesIO()
    pq.write_table(table.select(kept), sink)
    bundle = write_bundle(
        tmp_path / "old", forecaster, changed={FORECAST: json.dumps(record).encode(), SERIES: sink.getvalue()}
    )
    old = load_forecaster(bundle)
    assert (old.sums, old.covariates.complete, old.floors.tolist()) == (None, (), [0.0, 0.0])
    hours, days = (old.forecast(each, make_future(60))[1] for each in (ForecastParameters(34), OLD_DAY))
    assert days.values[0] < days.upper[0] < hours.upper[10:34].sum()
