import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.ml.forecasting.bundle import bundle_files, load_forecaster
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters
from dataml.ml.forecasting.history import StoredSeries
from dataml.ml.forecasting.training import TrainedForecaster, TrainingOptions, train
from dataml.ml.forecasting.update import update_forecaster
from tests.ml.forecasting.training_data import write_bundle

START = datetime(2024, 1, 1, tzinfo=UTC)
CONTRACT = Contract.build(
    [
        Column("airport", DataType.STRING),
        Column("day", DataType.TIMESTAMP),
        Column("flights", DataType.FLOAT),
        Column("region", DataType.STRING),
        Column("state", DataType.STRING),
        Column("promo", DataType.FLOAT),
    ]
)
ROLES = {
    "airport": "Id",
    "day": "Time",
    "flights": "Target",
    "region": "Ignore",
    "state": "Feature",
    "promo": "Exogenous",
}
PLACES = {
    "HOU": ("South", "Texas"),
    "DAL": ("South", "Texas"),
    "MIA": ("South", "Florida"),
    "JFK": ("North", "New York"),
    "BUF": ("North", "New York"),
}
BEGINS = {"BUF": 30}
DAYS = 112
SUMS = (*("Total", "North", "South", "North/New York", "South/Florida", "South/Texas"),)


def make_rows(first: int = 0, last: int = DAYS) -> pa.Table:
    """Return a row for each airport and day; one airport begins later than the others."""
    rows = []
    for number, (airport, (region, state)) in enumerate(PLACES.items()):
        noise = np.random.default_rng(number).normal(0, 3, 200)
        for day in range(max(first, BEGINS.get(airport, 0)), last):
            value = 40 * (number + 1) + 10 * np.sin(2 * np.pi * day / 7) + noise[day] + 5 * (day % 3 == 0)
            rows.append(
                {
                    "airport": airport,
                    "day": START + timedelta(days=day),
                    "flights": value,
                    "region": region,
                    "state": state,
                    "promo": float(day % 3 == 0),
                }
            )
    return pa.Table.from_pylist(rows, schema=CONTRACT.schema)


def make_future(steps: int, first: int = DAYS) -> list[dict[str, Any]]:
    return [
        {"airport": airport, "day": (START + timedelta(days=day)).isoformat(), "promo": float(day % 3 == 0)}
        for airport in PLACES
        for day in range(first, first + steps)
    ]


def train_hierarchy(folder: Path, rows: pa.Table, columns: tuple[str, ...] = ("region", "state")) -> TrainedForecaster:
    pq.write_table(rows, folder / "rows.parquet")
    return train(folder / "rows.parquet", TrainingOptions(CONTRACT, ROLES, horizon=7, n_windows=3, hierarchy=columns))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedForecaster:
    return train_hierarchy(tmp_path_factory.mktemp("hierarchy"), make_rows())


@pytest.fixture(scope="module")
def forecaster(trained: TrainedForecaster) -> Forecaster:
    return trained.forecaster


def values_of(forecaster: Forecaster, steps: int = 7, first: int = DAYS, **options: Any) -> dict[str, np.ndarray]:
    forecasts = forecaster.forecast(ForecastParameters(steps, **options), make_future(steps + 7, first))
    return {series.unique_id or "": series.values for series in forecasts}


def assert_coherent(values: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(values["Total"], sum(values[name] for name in PLACES), rtol=1e-9)
    np.testing.assert_allclose(values["Total"], values["North"] + values["South"], rtol=1e-9)
    np.testing.assert_allclose(values["South/Texas"], values["HOU"] + values["DAL"], rtol=1e-9)
    np.testing.assert_allclose(values["South/Florida"], values["MIA"], rtol=1e-9)


def test_sums_of_each_level_are_series_behind_those_of_the_dataset(forecaster: Forecaster) -> None:
    assert forecaster.ids == (*sorted(PLACES), *SUMS)
    assert forecaster.hierarchy is not None
    assert forecaster.hierarchy.level_names("airport") == ("Total", "region", "state", "airport")
    assert forecaster.hierarchy.levels.tolist() == [3] * 5 + [0, 1, 1, 2, 2, 2]


def test_the_history_of_a_sum_is_the_sum_of_the_histories(forecaster: Forecaster) -> None:
    series = forecaster.series
    parts = {
        name: series.y[series.starts[number] : series.starts[number + 1]] for number, name in enumerate(forecaster.ids)
    }
    north = parts["JFK"].copy()
    north[-len(parts["BUF"]) :] += parts["BUF"]
    np.testing.assert_allclose(parts["North"], north)
    np.testing.assert_allclose(parts["North"] + parts["South"], parts["Total"])


def test_forecasts_of_all_levels_agree(forecaster: Forecaster) -> None:
    assert forecaster.reconciliation is not None
    assert forecaster.reconciliation.method == "MinT"
    assert_coherent(values_of(forecaster))


def test_weeks_of_all_levels_agree(forecaster: Forecaster) -> None:
    assert_coherent(values_of(forecaster, steps=1, frequency="Week"))


def test_one_series_has_the_same_forecast_as_among_all(forecaster: Forecaster) -> None:
    alone = values_of(forecaster, unique_ids=("South/Texas",))
    assert list(alone) == ["South/Texas"]
    np.testing.assert_array_equal(alone["South/Texas"], values_of(forecaster)["South/Texas"])


def test_intervals_of_a_sum_are_narrower_than_the_sum_of_intervals(forecaster: Forecaster) -> None:
    forecasts = {each.unique_id: each for each in forecaster.forecast(ForecastParameters(7), make_future(7))}
    width = {name: float((each.upper - each.lower).mean()) for name, each in forecasts.items()}
    assert 0 < width["Total"] < 0.8 * sum(width[name] for name in PLACES)


def test_contributions_sum_to_the_reconciled_value(forecaster: Forecaster) -> None:
    (series,) = forecaster.forecast(ForecastParameters(3, unique_ids=("North",), explain=True), make_future(3))
    assert series.explanation is not None
    assert all("reconciliation" in step for step in series.explanation)
    np.testing.assert_allclose([sum(step.values()) for step in series.explanation], series.values)


def test_a_loaded_hierarchy_forecasts_the_same_to_the_bit(forecaster: Forecaster, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", forecaster)
    loaded = load_forecaster(bundle)
    before, after = values_of(forecaster), values_of(loaded)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert bundle_files(loaded) == bundle_files(forecaster)
    stored = StoredSeries.read(bundle)
    assert stored.level_of(stored.number_of("Total")) == "Total"
    assert [stored.ids[number] for number in stored.find("", level="region")] == ["North", "South"]
    assert json.loads(bundle_files(forecaster)["forecast.json"])["hierarchy"]["columns"] == ["region", "state"]


def test_new_observations_of_the_dataset_continue_the_sums(forecaster: Forecaster) -> None:
    updated = forecaster.update(make_rows(DAYS, DAYS + 10))
    series, number = updated.series, updated.ids.index("South")
    added = make_rows(DAYS, DAYS + 10).to_pandas()
    expected = added[added["region"] == "South"].groupby("day")["flights"].sum().to_numpy()
    np.testing.assert_allclose(series.y[series.starts[number] : series.starts[number + 1]][-10:], expected)
    assert_coherent(values_of(updated, first=DAYS + 10))


def test_an_update_is_scored_on_all_levels(forecaster: Forecaster) -> None:
    update = update_forecaster(forecaster, make_rows(DAYS, DAYS + 10))
    assert update.added == 10 * len(forecaster.ids)
    assert update.scores is not None


def test_observations_of_some_series_alone_are_refused(forecaster: Forecaster) -> None:
    rows = make_rows(DAYS, DAYS + 3)
    with pytest.raises(Invalid) as caught:
        forecaster.update(rows.filter(pa.array([name != "MIA" for name in rows.column("airport").to_pylist()])))
    assert caught.value.code == "ragged_hierarchy"


def test_the_future_of_each_series_of_the_dataset_is_needed(forecaster: Forecaster) -> None:
    with pytest.raises(Invalid) as caught:
        forecaster.forecast(
            ForecastParameters(7, unique_ids=("North",)), [row for row in make_future(7) if row["airport"] != "MIA"]
        )
    assert caught.value.code == "missing_future"


def test_a_column_with_several_values_in_a_series_is_no_hierarchy(tmp_path: Path) -> None:
    rows = make_rows().to_pandas()
    rows.loc[3, "region"] = "West"
    with pytest.raises(Invalid, match="several values of 'region'") as caught:
        train_hierarchy(tmp_path, pa.Table.from_pandas(rows, schema=CONTRACT.schema, preserve_index=False))
    assert caught.value.code == "bad_hierarchy"


def test_a_column_without_a_value_is_no_hierarchy(tmp_path: Path) -> None:
    rows = make_rows().to_pandas()
    rows.loc[3, "region"] = None
    with pytest.raises(Invalid, match="no value in row 4") as caught:
        train_hierarchy(tmp_path, pa.Table.from_pandas(rows, schema=CONTRACT.schema, preserve_index=False))
    assert caught.value.code == "bad_hierarchy"


def test_a_sum_with_the_name_of_a_series_is_refused(tmp_path: Path) -> None:
    rows = make_rows().to_pandas()
    rows["region"] = rows["region"].replace("North", "MIA")
    with pytest.raises(Invalid, match="two series named 'MIA'") as caught:
        train_hierarchy(tmp_path, pa.Table.from_pandas(rows, schema=CONTRACT.schema, preserve_index=False))
    assert caught.value.code == "bad_hierarchy"


def test_series_that_end_at_different_times_have_no_hierarchy(tmp_path: Path) -> None:
    rows = make_rows()
    with pytest.raises(Invalid, match="'MIA'") as caught:
        train_hierarchy(
            tmp_path,
            rows.filter(
                pa.array(
                    [
                        not (name == "MIA" and when >= START + timedelta(days=100))
                        for name, when in zip(
                            rows.column("airport").to_pylist(), rows.column("day").to_pylist(), strict=True
                        )
                    ]
                )
            ),
        )
    assert caught.value.code == "ragged_hierarchy"
