"""What travels between the database, the supervisor and a worker: a spec down, a report back.

Specs and results are frozen dataclasses; specs are stored as JSON in the job row, so a restarted supervisor reads
exactly what the first one read. Paths in them are names relative to the storage root, never absolute.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from dataml.contract.contract import Contract, ErrorReport
from dataml.iceberg.catalog import LakeConfig
from dataml.iceberg.names import TableName
from dataml.iceberg.writing import LakeTarget
from dataml.storage.storage import ATTEMPTS, Storage


class JobKind(StrEnum):
    VALIDATE = "validate"
    DESCRIBE = "describe"
    TRAIN = "train"
    EXPLAIN = "explain"
    SCORE = "score"
    FORECAST = "forecast"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Attempt:
    job_id: int
    attempt: int

    @property
    def directory(self) -> str:
        """Storage folder of this attempt; it never sees another's files."""
        return f"{ATTEMPTS}/{self.job_id}.{self.attempt}"


@dataclass(frozen=True)
class SourceFile:
    """One uploaded file: `path` is its storage name, `name` what the user called it, `records` its data rows as they
    were counted when it came, for the progress. Of the format `iceberg` it is a lake `table` as it was at
    `snapshot_id`, and nothing of it is in storage."""

    file_id: int
    name: str
    path: str
    format: Literal["csv", "parquet", "iceberg"]
    delimiter: str = ","
    records: int = 0
    table: TableName | None = None
    snapshot_id: int | None = None


@dataclass(frozen=True)
class ValidateSpec:
    """Check every cell of `files` against `contract`; without one, infer it from all values. `min_usability` is the
    share of rows that must be kept for the dataset to be valid; it is judged when the report is written down. With
    `distributed`, Ray Data checks sections of the files side by side, where the cluster has the CPUs for it. The kept
    rows of a valid dataset also go to the table `lake`, and whatever becomes of them all rows as they came to `raw`."""

    dataset_id: int
    files: tuple[SourceFile, ...]
    contract: Contract | None
    on_error: Literal["quarantine", "reject"] = "quarantine"
    min_usability: float = 0.8
    distributed: bool = False
    lake: LakeTarget | None = None
    raw: LakeTarget | None = None

    def is_enough(self, kept_records: int, total_records: int) -> bool:
        """Whether a dataset with so many rows kept is valid. Without rows it is not, whatever the threshold."""
        return kept_records > 0 and kept_records / total_records >= self.min_usability


@dataclass(frozen=True)
class FileReport:
    file_id: int
    total_fields: int
    total_records: int
    kept_records: int
    error_report: ErrorReport | None


@dataclass(frozen=True)
class ValidateResult:
    """`parquet` holds the kept rows, typed, in file order; `errors` (every wrong cell) and `set_aside` (the rows that
    hold them, as text, with `file_id` and `row`) are None when every row was kept. `snapshot_id` is the one of the lake
    table that has the kept rows, `raw_snapshot_id` that of the one with all as they came."""

    contract: Contract
    parquet: str
    errors: str | None
    set_aside: str | None
    total_records: int
    kept_records: int
    files: tuple[FileReport, ...]
    snapshot_id: int | None = None
    raw_snapshot_id: int | None = None


# The first columns of quarantined rows: where each row comes from.
QUARANTINE_ORIGIN_COLUMNS = ("file_id", "row")


def quarantine_column_names(columns: Iterable[str]) -> list[str]:
    """What these columns are called among the quarantined rows, behind `QUARANTINE_ORIGIN_COLUMNS`; one that has such a
    name itself, with underscores behind it or without, gets one more."""
    return [f"{name}_" if name.rstrip("_") in QUARANTINE_ORIGIN_COLUMNS else name for name in columns]


@dataclass(frozen=True)
class DescribeSpec:
    """Statistics of the rows in `parquet`; with a `target`, how far each column tells it."""

    dataset_id: int
    parquet: str
    contract: Contract
    target: str | None = None


@dataclass(frozen=True)
class DescribeResult:
    statistics: dict[str, Any]


@dataclass(frozen=True)
class Validation:
    """How rows are held out. `holdout` is the share that scores the model; `folds` of the rest choose and stop it
    (None: as suits their number; 1: a single part of them). With `group`, rows of one value of that column stay
    together."""

    holdout: float = 0.2
    folds: int | None = None
    group: str | None = None


@dataclass(frozen=True)
class Tuning:
    """A search for hyperparameters: at most so many trials and seconds, by `metric` of the validation rows (None: the
    loss of the problem)."""

    trials: int = 20
    time_budget_s: float | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Forecasting:
    """How a forecast is trained; None leaves it to the data. `horizon` counts the steps that the model is trained and
    backtested for, `frequency` and `fill` are as `ml.forecasting` reads them, `windows` is the number of origins of the
    backtest."""

    horizon: int | None = None
    frequency: str | None = None
    season_length: int | None = None
    fill: str | None = None
    windows: int | None = None


@dataclass(frozen=True)
class TrainSpec:
    """Train on `parquet`. `roles` names the role (Id, Target, Feature, Time, Ignore, Exogenous) of every column;
    `categories` are columns of numbers that are names of something. A Forecast has `forecasting`.

    `parent` is the bundle of the version that an incremental training continues. With several `workers`, or when the
    matrix has `distributed_bytes`, Ray Train fits on shards.
    """

    train_id: int
    parquet: str
    contract: Contract
    problem_type: Literal["Classification", "Regression", "Forecast"]
    algorithm: str
    roles: dict[str, str]
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 2
    categories: tuple[str, ...] = ()
    validation: Validation = Validation()
    tuning: Tuning | None = None
    workers: int = 1
    distributed_bytes: int = 8 * 1024**3
    parent: str | None = None
    forecasting: Forecasting | None = None


@dataclass(frozen=True)
class TrainResult:
    """`bundle` is the storage name of the bundle's folder; `summary` is its `manifest.json` without the file hashes.
    One that is not promoted is kept and does not take the place of its parent."""

    bundle: str
    algorithm: str
    model: str
    accuracy: float | None
    metrics: dict[str, float]
    confusion_matrix: list[list[int]] | None
    summary: dict[str, Any]
    is_promoted: bool = True


@dataclass(frozen=True)
class ExplainSpec:
    train_id: int
    bundle: str
    parquet: str
    sample_rows: int
    seed: int = 0


@dataclass(frozen=True)
class ExplainResult:
    """Mean absolute SHAP values of a sample, normalised to sum to 1, largest first. `explanation` is the storage name
    of a folder with the values themselves and charts of them; see `ml.explanation.files`."""

    feature_importance: dict[str, float]
    sample_rows: int
    total_rows: int
    explanation: str | None = None


@dataclass(frozen=True)
class ScoreSpec:
    """Predict every row of `parquet`; with `explain`, also say which features have made each prediction. What was found
    also goes to the table `lake`."""

    prediction_id: int
    bundle: str
    parquet: str
    explain: bool = False
    lake: LakeTarget | None = None


@dataclass(frozen=True)
class ScoreResult:
    """`csv` is the storage name of the result; `failed_records` counts the rows that carry an error instead.
    `snapshot_id` is the one of the lake table that has the rows."""

    csv: str
    size_bytes: int
    total_fields: int
    total_records: int
    failed_records: int
    snapshot_id: int | None = None


@dataclass(frozen=True)
class ForecastSpec:
    """Forecast the next `steps` (None: the model's horizon) of the series `unique_ids` (None: of all).

    `future` has the exogenous values of the steps and `observations` what was observed since the training: Parquet
    files of validated datasets. `aggregate` makes one step of a coarser `frequency` out of its own. What was found also
    goes to the table `lake`.
    """

    prediction_id: int
    bundle: str
    steps: int | None = None
    frequency: str | None = None
    unique_ids: tuple[str, ...] | None = None
    level: float = 95.0
    aggregate: Literal["sum", "mean"] = "sum"
    future: str | None = None
    observations: str | None = None
    explain: bool = False
    lake: LakeTarget | None = None


Payload = ValidateSpec | DescribeSpec | TrainSpec | ExplainSpec | ScoreSpec | ForecastSpec
Result = ValidateResult | DescribeResult | TrainResult | ExplainResult | ScoreResult


@dataclass(frozen=True)
class JobSpec:
    """One attempt at one job. `directory` is the attempt's own folder in storage: everything it writes goes there."""

    job_id: int
    attempt: int
    kind: JobKind
    payload: Payload
    directory: str


@dataclass(frozen=True)
class JobFailure:
    """Why a job failed, in words a user can act on, and a stable code."""

    code: str
    detail: str


@dataclass(frozen=True)
class JobReport:
    """The end of one attempt, accepted once: exactly one of `result` and `failure` is set."""

    job_id: int
    attempt: int
    result: Result | None = None
    failure: JobFailure | None = None


@dataclass(frozen=True)
class JobContext:
    """What a job body may touch besides its payload."""

    storage: Storage
    directory: str
    progress: Callable[[float, str], None] = lambda fraction, phrase: None
    attempt: Attempt = Attempt(0, 1)
    lake: LakeConfig | None = None
    settled: set[str] = field(default_factory=set)
    """Files of this attempt that need not be published, or not any more."""

    def fetch(self, name: str) -> Path:
        """The local path of a storage name. Raises as `Storage.fetch`."""
        return self.storage.fetch(name)

    def output(self, name: str, *, only_here: bool = False) -> tuple[str, Path]:
        """The storage name and local path of a new file or folder of this attempt; one that is `only_here` is nothing
        that others may find."""
        folder = self.storage.path(self.directory)
        folder.mkdir(parents=True, exist_ok=True)
        if only_here:
            self.settled.add(f"{self.directory}/{name}")
        return f"{self.directory}/{name}", folder / name

    def publish(self) -> None:
        """Publish the files of this attempt that were written since the last time. Raises as `Storage.publish`."""
        self.settled.update(self.storage.publish(self.directory, without=self.settled))
