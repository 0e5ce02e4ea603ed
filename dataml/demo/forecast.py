"""The forecast example of the demo: daily departures of three airports, forecast with the weather."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dataml.demo.client import DemoClient, StepFailed
from dataml.demo.screen import Screen

DATA: Final = Path(__file__).parents[2] / "examples" / "data" / "airport_departures.csv"
SERIES, TIME, TARGET = "origin", "date", "departures"
WEATHER: Final = ("temp_f", "wind_mph", "precip_in")
STEPS: Final = 14
COLUMNS: Final = {SERIES: "String", TIME: "Date", TARGET: "Integer", **dict.fromkeys(WEATHER, "Float")}

# Creates a template for these columns, uploads a file, waits until it is valid, and returns the id of the dataset.
Upload = Callable[[str, Path, str, list[str]], int]


def data_type(column: str) -> str:
    """Return the data type of a column of the example."""
    return COLUMNS[column]


class ForecastDemo:
    """Trains on all but the last two weeks, and compares their forecast, made with their weather, with the data."""

    def __init__(self, api: DemoClient, screen: Screen, folder: Path, name: str, upload: Upload) -> None:
        self._api = api
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
        dataset_id = self._upload("series", self._write_history(), "t", self._columns)
        train_id, preprocess_id = self._train(dataset_id)
        self._forecast(train_id, preprocess_id)

    def _write_history(self) -> Path:
        path = self._folder / "departures.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(self._past)
        return path

    def _train(self, dataset_id: int) -> tuple[int, int]:
        with self._screen.step("train a forecast") as step:
            roles = {SERIES: "Id", TIME: "Time", TARGET: "Target"} | dict.fromkeys(WEATHER, "Exogenous")
            body = {
                "dataset_id": dataset_id,
                "predictor_name": f"{self._name}-departures",
                "domain": "Air traffic",
                "problem_type": "Forecast",
                "columns": [{"column_name": column, "attribute_name": role} for column, role in roles.items()],
                "forecast": {"horizon": STEPS},
            }
            training = self._api.post("/api/v1/train/", body)
            self._api.wait_for_job(training["job_id"], step.report_progress)
            summary = self._api.get("/api/v1/train/model-summary", train_id=training["id"])["model_summary"]
            metrics = summary["metrics"]
            step.result = (
                f"{summary['model']}: MASE {metrics['mase']:.2f}, seasonal naive {metrics['naive_mase']:.2f}; "
                f"{metrics['coverage']:.0%} within the 95% intervals of the backtest"
            )
        return training["id"], training["preprocess_id"]

    def _forecast(self, train_id: int, preprocess_id: int) -> None:
        with self._screen.step("forecast") as step:
            future: list[dict[str, Any]] = [
                {SERIES: row[SERIES], TIME: row[TIME]} | {name: float(row[name]) for name in WEATHER}
                for row in self._ahead
            ]
            body = {
                "train_id": train_id,
                "preprocess_id": preprocess_id,
                "steps": STEPS,
                "frequency": "Day",
                "unique_ids": "all",
                "future": future,
            }
            steps = self._api.post("/api/v1/inference/forecast", body)["forecast"]
            actual = {(row[SERIES], row[TIME]): int(row[TARGET]) for row in self._ahead}
            if {(each["unique_id"], each["date"]) for each in steps} != actual.keys():
                raise StepFailed("the forecast has other series or days than the request")
            pairs = [(each, actual[each["unique_id"], each["date"]]) for each in steps]
            error = sum(abs(each["value"] - value) for each, value in pairs) / sum(actual.values())
            inside = sum(each["lower"] <= value <= each["upper"] for each, value in pairs)
            first = steps[0]
            step.result = (
                f"{first['unique_id']} {first['date']}: {first['value']} ({first['lower']} to {first['upper']}); "
                f"{error:.1%} error over two unseen weeks, {inside} of {len(pairs)} within the interval"
            )
