"""Forecasts of hours with the calendar of a local clock, and of local days after an update."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.ml.forecasting.candidates import GlobalMember
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters
from dataml.ml.forecasting.models.calendar_features import compute_calendar_features
from dataml.ml.forecasting.training import TrainingOptions, train
from tests.ml.forecasting.training_data import write_bundle

BERLIN = "Europe/Berlin"
ROLES = {"time": "Time", "y": "Target", "open": "Exogenous"}
CONTRACT = Contract(
    (
        Column("time", DataType.TIMESTAMP, time_zone=BERLIN),
        Column("y", DataType.FLOAT),
        Column("open", DataType.BOOLEAN),
    )
)


def make_table(moments: list[datetime]) -> pa.Table:
    local = [each.astimezone(ZoneInfo(BERLIN)) for each in moments]
    rows = [
        {
            "time": at,
            "y": 10.0 + 5 * (each.hour % 9) + 3 * each.weekday() + 4 * (each.day % 2),
            "open": each.day % 2 == 1,
        }
        for at, each in zip(moments, local, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=CONTRACT.schema)


def days(first: int, stop: int) -> list[datetime]:
    start = datetime(2024, 3, 4)
    local = [(start + timedelta(days=number)).replace(tzinfo=ZoneInfo(BERLIN)) for number in range(first, stop)]
    return [each.astimezone(UTC) for each in local]


def train_on(folder: Path, moments: list[datetime], horizon: int) -> Forecaster:
    pq.write_table(make_table(moments), folder / "rows.parquet")
    options = TrainingOptions(CONTRACT, ROLES, "LightGBM", horizon=horizon, n_windows=1)
    return train(folder / "rows.parquet", options).forecaster


def test_calendar_features_of_moments_are_those_of_the_local_clock() -> None:
    moments = np.array(["2024-03-31T00:30", "2024-03-31T01:30", "2024-12-31T23:30"], "datetime64[us]")
    features = compute_calendar_features(("hour", "day of week", "month"), moments.reshape(1, 3), BERLIN)
    assert features.tolist() == [[[1, 6, 3], [3, 6, 3], [0, 2, 1]]]


def test_hours_have_the_calendar_of_the_local_clock(tmp_path: Path) -> None:
    start = datetime(2024, 3, 20, tzinfo=UTC)
    forecaster = train_on(tmp_path, [start + timedelta(hours=number) for number in range(300)], 6)
    assert (forecaster.frequency.name, forecaster.frequency.time_zone) == ("Hour", None)
    loaded = load_forecaster(write_bundle(tmp_path / "bundle", forecaster))
    for each in (forecaster, loaded):
        [member] = [member for member in each.members if isinstance(member, GlobalMember)]
        assert member.model.spec.time_zone == BERLIN
    # Records of models before have no zone.
    record = {name: value for name, value in member.model.spec.to_json().items() if name != "time_zone"}
    assert type(member.model.spec).from_json(json.loads(json.dumps(record))) == replace(
        member.model.spec, time_zone=None
    )


def test_local_days_go_on_over_a_change_of_clocks(tmp_path: Path) -> None:
    forecaster = load_forecaster(write_bundle(tmp_path / "bundle", train_on(tmp_path, days(0, 24), 3)))
    assert forecaster.frequency.time_zone == BERLIN
    future = [{"time": f"2024-03-{day}", "open": day % 2 == 1} for day in (28, 29, 30, 31)]
    future += [{"time": "2024-04-01T00:00:00+02:00", "open": True}]
    expected = ["2024-03-28", "2024-03-29", "2024-03-30", "2024-03-31", "2024-04-01"]
    [before] = forecaster.forecast(ForecastParameters(steps=5), future)
    assert before.frequency.format_times(before.times) == expected
    moved = forecaster.update(make_table(days(24, 29)))
    later = [{"time": "2024-04-02", "open": False}, {"time": "2024-04-02T22:00:00Z", "open": True}]
    [after] = moved.forecast(ForecastParameters(steps=2), later)
    assert after.frequency.format_times(after.times) == ["2024-04-02", "2024-04-03"]
