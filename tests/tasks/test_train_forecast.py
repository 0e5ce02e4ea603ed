"""The jobs of a forecast, from a Parquet file to a bundle and on to a file of forecasts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.jobs.spec import ForecastConfig, ForecastSpec, JobContext, TrainResult, TrainSpec
from dataml.ml.forecasting.bundle import bundle_files, load_forecaster
from dataml.ml.forecasting.candidates import LocalMember
from dataml.ml.forecasting.forecaster import ForecastParameters
from dataml.ml.forecasting.training import TrainingOptions
from dataml.ml.forecasting.training import train as learn
from dataml.ml.leaderboard import CandidateScore, ReportScore, ignore_score
from dataml.storage.storage import Storage
from dataml.tasks import forecast, train

ROLES = {"id": "Id", "time": "Time", "y": "Target", "promo": "Exogenous", "size": "Feature", "visits": "Feature"}
CONTRACT = Contract.build(
    [
        Column("id", DataType.STRING),
        Column("time", DataType.TIMESTAMP),
        Column("y", DataType.FLOAT),
        Column("promo", DataType.BOOLEAN),
        Column("size", DataType.STRING),
        Column("visits", DataType.FLOAT),
    ]
)
START = datetime(2024, 1, 1, tzinfo=UTC)


def hours(series: dict[str, np.ndarray]) -> pa.Table:
    """Return hourly rows with promotions every fifth hour, a size for each series, and visits unknown in advance."""
    parts = []
    for number, (name, y) in enumerate(series.items()):
        count = len(y)
        columns: dict[str, Any] = {
            "id": [name] * count,
            "time": [START + timedelta(hours=step) for step in range(count)],
            "y": y.astype(float),
            "promo": [step % 5 == 0 for step in range(count)],
            "size": ["large" if number % 2 else "small"] * count,
            "visits": np.arange(count) % 11 + number * 1.0,
        }
        parts.append(pa.table(columns, schema=CONTRACT.schema))
    return pa.concat_tables(parts)


def wave(count: int, level: float = 50.0, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, count)
    return level + 10 * np.sin(2 * np.pi * np.arange(count) / 24) + 3 * (np.arange(count) % 5 == 0) + noise


def run(
    folder: Path,
    table: pa.Table,
    algorithm: str = "auto",
    report_score: ReportScore = ignore_score,
    **changes: Any,
) -> TrainResult:
    pq.write_table(table, folder / "rows.parquet")
    options = changes.pop("forecasting", ForecastConfig(horizon=12, windows=2))
    spec = TrainSpec(1, "rows.parquet", CONTRACT, "Forecast", algorithm, ROLES, forecasting=options, **changes)
    return train.run(spec, JobContext(Storage(folder), "job", report_score=report_score))


def future(table: pa.Table, steps: int) -> list[dict[str, Any]]:
    rows = []
    for name in sorted(set(table["id"].to_pylist())):
        count = table["id"].to_pylist().count(name)
        times = [(START + timedelta(hours=count + step)).isoformat() for step in range(steps)]
        rows += [{"id": name, "time": time, "promo": (count + step) % 5 == 0} for step, time in enumerate(times)]
    return rows


@pytest.mark.parametrize("algorithm", ["LightGBM", "XGBoost"])
def test_the_unit_of_the_target_changes_no_forecast(tmp_path: Path, algorithm: str) -> None:
    waves = {"a": wave(150), "b": wave(130, 5, 1)}

    def forecast_in(offset: float, unit: float) -> tuple[float, np.ndarray]:
        table = hours({name: offset + unit * each for name, each in waves.items()})
        result = run(tmp_path, table, algorithm)
        forecaster = load_forecaster(tmp_path / result.bundle)
        values = forecaster.forecast(ForecastParameters(12), future(table, 12))[0].values
        return result.metrics["mase"], (values - offset) / unit

    error, values = forecast_in(0.0, 1.0)
    for offset, unit in [(1.7e9, 6.0), (1.7e12, 6.0), (0.0, 1e-9), (0.0, 1e90), (0.0, 1e-90)]:
        # The noise has deviation 1; rounding breaks ties between splits in other ways.
        other_error, other = forecast_in(offset, unit)
        assert other_error == pytest.approx(error, rel=0.05)
        assert np.abs(other - values).mean() < 0.5


@pytest.mark.parametrize("algorithm", ["LightGBM", "XGBoost", "AutoETS", "AutoARIMA", "Theta", "SeasonalNaive"])
def test_a_reloaded_forecaster_forecasts_bit_for_bit_the_same(tmp_path: Path, algorithm: str) -> None:
    table = hours({"a": wave(150), "b": wave(130, 80, 1)})
    pq.write_table(table, tmp_path / "rows.parquet")
    request = TrainingOptions(CONTRACT, ROLES, algorithm, horizon=12, n_windows=2)
    before = learn(tmp_path / "rows.parquet", request).forecaster
    result = run(tmp_path, table, algorithm)
    after = [load_forecaster(tmp_path / result.bundle) for _ in range(2)]
    found = [each.forecast(ForecastParameters(15), future(table, 15)) for each in (before, *after)]
    for one, *others in zip(*found, strict=True):
        for other in others:
            for name in ("values", "lower", "upper", "confidence"):
                assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert result.algorithm == algorithm
    assert bundle_files(after[0]).keys() == bundle_files(before).keys()


def test_a_bundle_has_only_native_models_json_and_parquet(tmp_path: Path) -> None:
    result = run(tmp_path, hours({"a": wave(150), "b": wave(130)}))
    suffixes = {path.suffix for path in (tmp_path / result.bundle).iterdir()}
    assert suffixes <= {".json", ".parquet", ".txt", ".ubj", ".onnx"}
    json.loads((tmp_path / result.bundle / "manifest.json").read_text(), parse_constant=pytest.fail)


def test_auto_is_at_least_as_good_as_each_candidate(tmp_path: Path) -> None:
    result = run(tmp_path, hours({"a": wave(200), "b": wave(200, 80, 1), "c": wave(200, 20, 2)}))
    assert result.metrics["mase"] < 0.9 * result.metrics["naive_mase"]
    assert result.metrics["mase"] <= min(result.summary["candidates"].values()) * 1.1
    assert result.accuracy is None


def test_leaderboard_has_what_candidates_are_selected_by(tmp_path: Path) -> None:
    steps: list[CandidateScore] = []
    table = hours({"a": wave(200), "b": wave(200, 80, 1)})
    result = run(tmp_path, table, report_score=steps.append)
    last = {each.candidate: each for each in steps}
    scores = result.summary["candidates"]
    rule = result.summary["forecast"]["rule"]
    assert set(scores) >= set(last)
    assert {name: each.score for name, each in last.items()} == pytest.approx({name: scores[name] for name in last})
    assert [name for name, each in last.items() if each.state == "selected"] == [rule]
    for name in last.keys() - {rule}:
        states = [each.state.value for each in steps if each.candidate == name]
        assert states == ["waiting", "fitting", "scored"]
        assert last[name].seconds is not None


def test_exogenous_static_and_past_features_are_distinguished(tmp_path: Path) -> None:
    result = run(tmp_path, hours({"a": wave(150), "b": wave(150)}), "LightGBM")
    forecaster = load_forecaster(tmp_path / result.bundle)
    covariates = forecaster.covariates
    named = {name: covariates.names(getattr(covariates, name)) for name in ("known", "static", "past")}
    assert named == {"known": ("promo",), "static": ("size",), "past": ("visits",)}
    assert forecaster.needs_future


def test_past_only_features_do_not_change_the_history(tmp_path: Path) -> None:
    table = hours({"a": wave(150)})
    result = run(tmp_path, table, "AutoETS")
    forecaster = load_forecaster(tmp_path / result.bundle)
    assert not forecaster.needs_future
    assert len(forecaster.forecast(ForecastParameters(5))[0].values) == 5


def test_short_constant_and_zero_series_are_forecast_and_named(tmp_path: Path) -> None:
    odd = {"long": wave(150), "short": wave(6), "constant": np.full(120, 7.0), "zero": np.zeros(120)}
    result = run(tmp_path, hours(odd), "AutoETS")
    assert any("AutoETS" in reason for reason in result.summary["forecast"]["fallbacks"])
    warnings = " ".join(warning["message"] for warning in result.summary["warnings"])
    assert "'short'" in warnings
    assert "'constant'" in warnings
    found = {
        each.unique_id: each for each in load_forecaster(tmp_path / result.bundle).forecast(ForecastParameters(12))
    }
    assert found["constant"].values.tolist() == [7.0] * 12
    assert found["zero"].values.tolist() == [0.0] * 12
    assert np.isfinite(found["short"].values).all()


def test_a_series_too_short_for_any_window_is_forecast_by_boosters(tmp_path: Path) -> None:
    table = hours({"long": wave(150), "short": wave(9)})
    result = run(tmp_path, table, "LightGBM")
    found = load_forecaster(tmp_path / result.bundle).forecast(
        ForecastParameters(12, unique_ids=("short",)), future(table, 12)
    )
    assert np.isfinite(found[0].values).all()
    assert (found[0].lower <= found[0].values).all()


def test_bounds_of_the_contract_hold(tmp_path: Path) -> None:
    columns = [*CONTRACT.columns[:2], Column("y", DataType.FLOAT, minimum="0", maximum="12"), *CONTRACT.columns[3:]]
    pq.write_table(hours({"a": np.clip(wave(150, 5), 0, 12)}), tmp_path / "rows.parquet")
    spec = TrainSpec(
        1, "rows.parquet", Contract.build(columns), "Forecast", "Theta", ROLES, forecasting=ForecastConfig(horizon=12)
    )
    result = train.run(spec, JobContext(Storage(tmp_path), "job"))
    (found,) = load_forecaster(tmp_path / result.bundle).forecast(ForecastParameters(48, level=99.9))
    for values in (found.values, found.lower, found.upper):
        assert values.min() >= 0
        assert values.max() <= 12


def test_new_observations_are_scored_before_the_update(tmp_path: Path) -> None:
    whole = hours({"a": wave(150), "b": wave(150, 80, 1)})
    is_old = np.array([time < START + timedelta(hours=138) for time in whole["time"].to_pylist()])
    parent = run(tmp_path, whole.filter(pa.array(is_old)), "LightGBM")
    pq.write_table(whole.filter(pa.array(~is_old)), tmp_path / "new.parquet")
    spec = TrainSpec(
        2, "new.parquet", CONTRACT, "Forecast", "LightGBM", ROLES, parent=parent.bundle, forecasting=ForecastConfig()
    )
    result = train.run(spec, JobContext(Storage(tmp_path), "next"))
    comparison = result.summary["comparison"]
    assert (comparison["rows"], comparison["is_promoted"]) == (24, True)
    assert 0 < comparison["after"] < 0.1
    assert 0.5 < comparison["coverage"] <= 1
    before, after = (load_forecaster(tmp_path / each.bundle) for each in (parent, result))
    assert (after.last_times - before.last_times == np.timedelta64(12, "h")).all()
    assert after.members[0].model.native.to_bytes() == before.members[0].model.native.to_bytes()  # type: ignore[union-attr]


def test_a_batch_with_explain_explains_each_step(tmp_path: Path) -> None:
    table = hours({"a": wave(150), "b": wave(150)})
    result = run(tmp_path, table, "LightGBM")
    rows = pa.Table.from_pylist(
        [row | {"time": datetime.fromisoformat(row["time"])} for row in future(table, 6)],
        schema=CONTRACT.select(["id", "time", "promo"]).schema,
    )
    pq.write_table(rows, tmp_path / "future.parquet")
    spec = ForecastSpec(7, result.bundle, steps=6, future="future.parquet", explain=True)
    scored = forecast.run(spec, JobContext(Storage(tmp_path), "batch"))
    found = pacsv.read_csv(tmp_path / scored.csv)
    assert (scored.total_records, found.num_rows) == (12, 12)
    effects = [name for name in found.column_names if name.startswith("effect of ")]
    assert "effect of promo" in effects
    total = sum(found[name].to_numpy() for name in effects)
    assert total == pytest.approx(found["value"].to_numpy())


def test_each_series_has_its_own_model_where_it_has_a_weight(tmp_path: Path) -> None:
    result = run(tmp_path, hours({"a": wave(150), "b": wave(150, 80, 1), "c": wave(150, 20, 2)}))
    forecaster = load_forecaster(tmp_path / result.bundle)
    assert forecaster.weights.sum(axis=1) == pytest.approx(1)
    for column, member in enumerate(forecaster.members):
        if isinstance(member, LocalMember):
            has_model = np.array([model is not None for model in member.models])
            assert (has_model >= (forecaster.weights[:, column] > 0)).all()


def test_a_horizon_that_no_series_reaches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        run(tmp_path, hours({"a": wave(20)}), forecasting=ForecastConfig(horizon=30))
    assert refused.value.code == "series_too_short"
