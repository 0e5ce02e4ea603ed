"""The example data that a new tenant can begin with: the data sets of `dataml demo`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parents[2] / "examples" / "data"


@dataclass(frozen=True)
class Sample:
    """A data set, and the training that it is meant for.

    Attributes:
        name: Name of its dataset in the tenant.
        title: What it is.
        description: What its rows are, and what is predicted.
        file_name: Its file among the examples.
        training: What the form of a training is filled in with, by the names of its fields; the roles of columns are
            suggested by the API.
    """

    name: str
    title: str
    description: str
    file_name: str
    training: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file."""
        return _FOLDER / self.file_name


_SAMPLES: Final = (
    Sample(
        "sample-churn",
        "Customers who leave",
        "7,043 customers of a telecom company. Predict which of them leave.",
        "telecom_churn.csv",
        {"target": "churn", "problem_type": "Classification", "predictor_name": "churn"},
    ),
    Sample(
        "sample-departures",
        "Departures of airports",
        "Daily departures of three airports, with the weather. Forecast the days that follow.",
        "airport_departures.csv",
        {"target": "departures", "problem_type": "Forecast", "predictor_name": "departures"},
    ),
)


def available_samples() -> tuple[Sample, ...]:
    """Return the samples whose files are there: an installation without a clone of the repository has none."""
    return tuple(sample for sample in _SAMPLES if sample.path.is_file())


def find_sample(name: str) -> Sample | None:
    """Return the sample of this name; None where there is none, or its file is missing."""
    return next((sample for sample in available_samples() if sample.name == name), None)
