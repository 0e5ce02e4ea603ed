"""The forecast example of the demo: daily departures of three airports, forecast with the weather."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from dataml.client.sync.connection import Client
from dataml.client.sync.datasets import Dataset
from dataml.client.sync.models import Model
from dataml.demo.screen import Screen
from dataml.demo.steps import StepFailed

DATA: Final = Path(__file__).parents[2] / "examples" / "data" / "airport_departures.csv"
SERIES, TIME, TARGET = "origin", "date", "departures"
WEATHER: Final = ("temp_f", "wind_mph", "precip_in")
STEPS: Final = 14
COLUMNS: Final = {SERIES: "String", TIME: "Date", TARGET: "Integer", **dict.fromkeys(WEATHER, "Float")}

# Creates a template for these columns, uploads a file, waits until it is valid, and returns the dataset.
Upload = Callable[[str, Path, Literal["training", "prediction"], list[str]], Dataset]


def data_type(column: str) -> str:
    """Return the data type of a column of the example."""
    return COLUMNS[column]


class ForecastDemo:
    """Trains on all but the last two weeks, and compares their forecast, made with their weather, with the data."""

    def __init__(self, dm: Client, screen: Screen, folder: Path, name: str, upload: Upload) -> None:
        self._dm = dm
        self._screen = screen
        self._folder = folder
        self._name = name
        self._upload = upload
        with DATA.open(newline="") as file:
            rows = list(csv.DictReader(file))
        self._columns = list(rows[0])
        days = sorted({row[TIME] for row in rows})
        self._past = [row for row in rows if row[TIME] < days[-STEPS]]
        self._ahead = [row for row in rows if row[TIME] >= days[-STEPS]]

    def run(self) -> None:
        """Run the steps of the forecast in their order.

        Raises:
            StepFailed: One of the steps failed; it has been printed already.
        """
        dataset = self._upload("series", self._write_history(), "training", self._columns)
        self._forecast(self._train(dataset))

    def _write_history(self) -> Path:
        path = self._folder / "departures.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(self._past)
        return path

    def _train(self, dataset: Dataset) -> Model:
        with self._screen.step("train a forecast") as step:
            model = self._dm.train(
                dataset,
                TARGET,
                name=f"{self._name}-departures",
                domain="Air traffic",
                id=SERIES,
                time=TIME,
                exogenous=WEATHER,
                horizon=STEPS,
                progress=step.report_progress,
            )
            metrics = model.metrics
            step.result = (
                f"{model.info['model']}: MASE {metrics['mase']:.2f}, seasonal naive {metrics['naive_mase']:.2f}; "
                f"{metrics['coverage']:.0%} within the 95% intervals of the backtest"
            )
        return model

    def _forecast(self, model: Model) -> None:
        with self._screen.step("forecast") as step:
            future: list[dict[str, Any]] = [
                {SERIES: row[SERIES], TIME: row[TIME]} | {name: float(row[name]) for name in WEATHER}
                for row in self._ahead
            ]
            steps: list[dict[str, Any]] = model.forecast(STEPS, future=future)
            actual = {(row[SERIES], row[TIME]): int(row[TARGET]) for row in self._ahead}
            if {(each[SERIES], each[TIME]) for each in steps} != actual.keys():
                raise StepFailed("the forecast has other series or days than the request")
            pairs = [(each, actual[each[SERIES], each[TIME]]) for each in steps]
            error = sum(abs(each["value"] - value) for each, value in pairs) / sum(actual.values())
            inside = sum(each["lower"] <= value <= each["upper"] for each, value in pairs)
            first = steps[0]
            step.result = (
                f"{first[SERIES]} {first[TIME]}: {first['value']} ({first['lower']} to {first['upper']}); "
                f"{error:.1%} error over two unseen weeks, {inside} of {len(pairs)} within the interval"
            )
