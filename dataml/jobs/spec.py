"""Job specs, which go from the database by the supervisor to a worker, and reports, which come back.

Specs and results are frozen dataclasses; specs are stored as JSON in the job row, so a restarted supervisor reads
exactly what the first one read. Paths in them are names relative to the storage root, never absolute.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Self

from dataml.contract.contract import Contract, ErrorReport
from dataml.contract.files.layout import CsvOptions
from dataml.contract.warnings import DataWarning
from dataml.iceberg.catalog import LakeConfig
from dataml.iceberg.names import TableName
from dataml.iceberg.writing import LakeTarget
from dataml.ml.bundle.manifest import Manifest
from dataml.ml.leaderboard import CandidateScore, ReportScore, ignore_score
from dataml.ml.training.candidates import DEFAULT_QUALITY, Quality
from dataml.storage.storage import ATTEMPTS, Storage

STARTING: Final = "Starting"
"""The message of an attempt before its task says anything."""


class JobKind(StrEnum):
    """What a job does; the value is also the name of its task's module in `dataml.tasks`."""

    VALIDATE = "validate"
    DESCRIBE = "describe"
    TRAIN = "train"
    EXPLAIN = "explain"
    SCORE = "score"
    FORECAST = "forecast"


class JobState(StrEnum):
    """Where a job is in its life; see `dataml.jobs.service` for the transitions."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether a job in this state has ended and never changes again."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Attempt:
    """One run of a job by one worker; attempts are counted from 1."""

    job_id: int
    attempt: int

    @property
    def directory(self) -> str:
        """Storage folder of this attempt, which no other attempt writes to."""
        return f"{ATTEMPTS}/{self.job_id}.{self.attempt}"

    @property
    def log_name(self) -> str:
        """Name of its log; see `storage.logs`."""
        return f"{self.job_id}.{self.attempt}.log"


@dataclass(frozen=True)
class SourceFile:
    """One uploaded file, or a table of the lake.

    `path` is the storage name, `name` the user's name of the file, and `records` the number of its data rows as counted
    at upload, for the progress. The format `iceberg` means the lake `table` as of `snapshot_id`; none of it is in
    storage. What follows is known about a CSV, as in `CsvOptions`.
    """

    file_id: int
    name: str
    path: str
    format: Literal["csv", "parquet", "iceberg"]
    delimiter: str | None = None
    records: int = 0
    table: TableName | None = None
    snapshot_id: int | None = None
    encoding: str = "utf-8"
    header_row: int | None = None
    has_row_numbers: bool = False
    repeated_headers: int = 0

    @property
    def csv_options(self) -> CsvOptions:
        """What is known about a CSV."""
        return CsvOptions(self.encoding, self.header_row, self.delimiter, self.has_row_numbers, self.repeated_headers)


@dataclass(frozen=True)
class DatasetRows:
    """The rows of a valid dataset as they were uploaded, for a model, which reads them by its own contract.

    Attributes:
        files: what was uploaded.
        contract: what the dataset itself was validated with: how its values are spelled, and the types of its Ids.
        is_whole: whether the validation has kept every row.
    """

    files: tuple[SourceFile, ...]
    contract: Contract
    is_whole: bool


@dataclass(frozen=True)
class ValidateSpec:
    """A check of every cell of `files` against `contract`; without a contract, it is inferred from all values.

    `min_usability` is the share of rows that must be kept for the dataset to be valid; it is compared when the report
    is written. With `distributed`, Ray Data checks sections of the files in parallel, where the cluster has the CPUs
    for it. The kept rows of a valid dataset are also written to the table `lake`; all rows as they came are written to
    the table `raw`, whether the dataset is valid or not. What the jobs `superseded` have written there, validations of
    the same dataset that ended without a result, is undone first. With `partial`, columns of the contract that not all
    files have are left out: of prediction data, a model says what it needs.
    """

    dataset_id: int
    files: tuple[SourceFile, ...]
    contract: Contract | None
    on_error: Literal["quarantine", "reject"] = "quarantine"
    min_usability: float = 0.8
    distributed: bool = False
    lake: LakeTarget | None = None
    raw: LakeTarget | None = None
    superseded: tuple[int, ...] = ()
    partial: bool = False

    def is_enough(self, kept_records: int, total_records: int) -> bool:
        """Return whether a dataset with these counts is valid; without kept rows it is not, whatever the threshold."""
        return kept_records > 0 and kept_records / total_records >= self.min_usability


@dataclass(frozen=True)
class FileReport:
    """The counts and errors of one file of a validation."""

    file_id: int
    total_fields: int
    total_records: int
    kept_records: int
    error_report: ErrorReport | None


@dataclass(frozen=True)
class ValidateResult:
    """The result of a validation.

    Attributes:
        contract: the contract that the rows were checked against.
        parquet: storage name of the kept rows, typed, in file order.
        parquet_sha256: the hash of that file; None from a worker of an older version.
        errors: storage name of all wrong cells; None when every row was kept.
        quarantined: storage name of the rows that have a wrong cell, as text, with `file_id` and `row`; None when every
            row was kept.
        total_records: number of rows in all files.
        kept_records: number of rows without a wrong cell.
        files: one report a file.
        snapshot_id: snapshot of the lake table that has the kept rows.
        raw_snapshot_id: snapshot of the lake table that has all rows as they came.
        warnings: what a user should know about the columns.
    """

    contract: Contract
    parquet: str
    errors: str | None
    quarantined: str | None
    total_records: int
    kept_records: int
    files: tuple[FileReport, ...]
    snapshot_id: int | None = None
    raw_snapshot_id: int | None = None
    warnings: tuple[DataWarning, ...] = ()
    parquet_sha256: str | None = None


# The first columns of quarantined rows: where each row comes from.
QUARANTINE_ORIGIN_COLUMNS = ("file_id", "row")


def quarantine_column_names(columns: Iterable[str]) -> list[str]:
    """Return the names of these columns among the quarantined rows, after `QUARANTINE_ORIGIN_COLUMNS`.

    A column that has the name of an origin column, with or without trailing underscores, gets one more underscore.
    """
    return [f"{name}_" if name.rstrip("_") in QUARANTINE_ORIGIN_COLUMNS else name for name in columns]


@dataclass(frozen=True)
class DescribeSpec:
    """Statistics of the rows in `parquet`; with a `target`, also the association of each column with it."""

    dataset_id: int
    parquet: str
    contract: Contract
    target: str | None = None


@dataclass(frozen=True)
class DescribeResult:
    """Statistics as strict JSON; see `dataml.tasks.describe.run`."""

    statistics: dict[str, Any]


@dataclass(frozen=True)
class SplitConfig:
    """How rows are held out.

    `holdout` is the share of the rows that scores the model. `folds` is the number of cross-validation folds of the
    rest, which select and stop the model (None: chosen by the number of rows; 1: a single validation part). With
    `group`, rows with the same value in that column stay together.
    """

    holdout: float = 0.2
    folds: int | None = None
    group: str | None = None


@dataclass(frozen=True)
class TuningConfig:
    """A search for hyperparameters, of at most `trials` trials and `time_budget_s` seconds.

    Trials are compared by `metric` on the validation rows (None: the loss of the problem).
    """

    trials: int = 20
    time_budget_s: float | None = None
    metric: str | None = None


@dataclass(frozen=True)
class ForecastConfig:
    """How a forecast is trained; None means that the data decides.

    `horizon` is the number of steps that the model is trained and backtested for, `frequency` and `fill` are as
    `ml.forecasting` reads them, and `windows` is the number of cutoffs of the backtest. `revised` is for a
    continuation, as in `ForecastInputs`. `hierarchy` are the columns by whose values series are summed up, the coarsest
    first.
    """

    horizon: int | None = None
    frequency: str | None = None
    season_length: int | None = None
    fill: str | None = None
    windows: int | None = None
    revised: Literal["refuse", "use"] = "refuse"
    hierarchy: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainSpec:
    """A training on `parquet`.

    `roles` is the role (Id, Target, Feature, Time, Ignore, Exogenous) of every column; `categories` are numeric columns
    whose numbers are categories. `positive_class` is a label of the target; None when the data decides. A Forecast has
    `forecasting`. `parent` is the bundle of the version that an incremental training continues, on `rows`, which are
    read by `contract`, the parent's. `dataset_warnings` are those of the dataset's validation, and of the check of its
    rows. With several `workers`, or when the matrix has at least `distributed_bytes`, Ray Train fits on shards.
    `is_large` is for the explanation that follows: its `distributed`. `quality` is how many candidates `auto` tries.
    `time_limit_s` is what was asked for: fits end in time for it.
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
    validation: SplitConfig = SplitConfig()
    tuning: TuningConfig | None = None
    workers: int = 1
    distributed_bytes: int = 8 * 1024**3
    parent: str | None = None
    forecasting: ForecastConfig | None = None
    positive_class: str | None = None
    dataset_warnings: tuple[DataWarning, ...] = ()
    rows: DatasetRows | None = None
    is_large: bool = False
    quality: Quality = DEFAULT_QUALITY
    time_limit_s: int | None = None

    @property
    def blended_quality(self) -> Quality | None:
        """The quality of a training that blends candidates; None for one algorithm, a search and a continuation."""
        is_single = self.algorithm != "auto" or self.tuning is not None or self.parent is not None
        return None if is_single else self.quality

    @property
    def target(self) -> str:
        """Name of the column that is predicted."""
        return next(name for name, role in self.roles.items() if role == "Target")

    @property
    def time(self) -> str | None:
        """Name of the column that orders the rows in time, if there is one."""
        return next((name for name, role in self.roles.items() if role == "Time"), None)


@dataclass(frozen=True)
class TrainResult:
    """The result of a training.

    `bundle` is the storage name of the bundle's folder; `summary` is its `manifest.json` without the file hashes, and
    `bundle_sha256` the hash of that file. A model that is not promoted is kept, and its parent goes on serving.
    `parquet` is the storage name of the rows that were trained on, and `parquet_sha256` the hash of that file, where
    they are not the validated copy of the dataset.
    """

    bundle: str
    algorithm: str
    model: str
    accuracy: float | None
    metrics: dict[str, float]
    confusion_matrix: list[list[int]] | None
    summary: dict[str, Any]
    is_promoted: bool = True
    bundle_sha256: str | None = None
    parquet: str | None = None
    parquet_sha256: str | None = None

    @classmethod
    def from_manifest(cls, bundle: str, manifest: Manifest, sha256: str, *, is_promoted: bool = True) -> Self:
        """Return the result whose bundle, of the storage name `bundle`, has this manifest, and its file this hash."""
        return cls(
            bundle=bundle,
            algorithm=manifest.algorithm,
            model=manifest.model,
            accuracy=manifest.accuracy,
            metrics={metric: value for metric, value in manifest.metrics.items() if value is not None},
            confusion_matrix=manifest.confusion_matrix,
            summary=manifest.summary(),
            is_promoted=is_promoted,
            bundle_sha256=sha256,
        )


@dataclass(frozen=True)
class ExplainSpec:
    """An explanation of a model by `sample_rows` rows of `parquet`, drawn by `seed`.

    With `distributed`, all CPUs of the cluster share a large sample.
    """

    train_id: int
    bundle: str
    parquet: str
    sample_rows: int
    seed: int = 0
    distributed: bool = False


@dataclass(frozen=True)
class ExplainResult:
    """Mean absolute SHAP values of a sample, normalised to sum to 1, largest first.

    `explanation` is the storage name of a folder with the values themselves and charts of them; see
    `ml.explanation.artifacts`.
    """

    feature_importance: dict[str, float]
    sample_rows: int
    total_rows: int
    explanation: str | None = None


@dataclass(frozen=True)
class ScoreSpec:
    """A batch prediction of every row of a dataset.

    `rows` are the uploaded ones and `parquet` their validated copy, which is read where it says the same. In jobs that
    a version without `rows` has queued, it is what is scored. With `explain`, the result also has the features with the
    largest effect on each prediction. The result is also written to the table `lake`. `request` is what was asked, for
    those who look at the job. With `distributed`, Ray Data scores sections of the rows in parallel, where the cluster
    has the CPUs for it. `threshold` is the decision threshold of two classes; None for the more probable class.
    """

    prediction_id: int
    bundle: str
    parquet: str
    explain: bool = False
    lake: LakeTarget | None = None
    request: dict[str, Any] | None = None
    rows: DatasetRows | None = None
    distributed: bool = False
    threshold: float | None = None


@dataclass(frozen=True)
class ScoreResult:
    """The result of a batch prediction or batch forecast.

    `csv` is the storage name of the result; `failed_records` is the number of rows that have an error instead of a
    prediction. `snapshot_id` is the snapshot of the lake table that has the rows. `warnings` are about values that the
    training has not seen, and about steps that a backtest has not measured. `positive_class` is the label of the one of
    two classes that the model's scores are about.
    """

    csv: str
    size_bytes: int
    total_fields: int
    total_records: int
    failed_records: int
    snapshot_id: int | None = None
    warnings: tuple[DataWarning, ...] = ()
    positive_class: str | None = None


@dataclass(frozen=True)
class DatasetInput:
    """A dataset that a forecast reads: the storage name of its validated copy, and the uploaded rows."""

    parquet: str
    rows: DatasetRows


@dataclass(frozen=True)
class ForecastInputs:
    """The datasets of a forecast.

    `dataset` has observations, values of the future, or both, which are distinguished by what its rows hold;
    `observations` and `future` are for one of them. With `revised` `use`, observations replace known values
    that differ.
    """

    dataset: DatasetInput | None = None
    observations: DatasetInput | None = None
    future: DatasetInput | None = None
    revised: Literal["refuse", "use"] = "refuse"


NO_INPUTS = ForecastInputs()


@dataclass(frozen=True)
class ForecastSpec:
    """A batch forecast of the next `steps` (None: the model's horizon) of the series `unique_ids` (None: of all).

    `inputs` are its datasets. Jobs that a version without them has queued have `future`, with the exogenous values of
    the steps, and `observations`, with the values observed since the training: Parquet files of validated datasets.
    `aggregate` combines steps of the model's frequency into one of a coarser `frequency`. With `round` the values of an
    Integer target are whole numbers, as they always were in jobs that a version without this field has queued. The
    result is also written to the table `lake`. `request` is as in `ScoreSpec`.
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
    round: bool = True
    request: dict[str, Any] | None = None
    inputs: ForecastInputs = NO_INPUTS


Payload = ValidateSpec | DescribeSpec | TrainSpec | ExplainSpec | ScoreSpec | ForecastSpec
Result = ValidateResult | DescribeResult | TrainResult | ExplainResult | ScoreResult


@dataclass(frozen=True)
class JobSpec:
    """One attempt at one job; everything it writes goes to `directory`, the attempt's own folder in storage.

    `traceparent` is the span of the request that has started the job.
    """

    job_id: int
    attempt: int
    kind: JobKind
    payload: Payload
    directory: str
    traceparent: str | None = None


@dataclass(frozen=True)
class JobFailure:
    """Why a job failed: a sentence that a user can act on, and a stable code."""

    code: str
    detail: str


@dataclass(frozen=True)
class JobReport:
    """The end of one attempt, recorded once: exactly one of `result` and `failure` is set."""

    job_id: int
    attempt: int
    result: Result | None = None
    failure: JobFailure | None = None


@dataclass(frozen=True)
class JobProgress:
    """How far an attempt has come.

    `fraction` is the share that is done, 0 to 1. `leaderboard` has the candidates of a training, best first.
    """

    fraction: float
    message: str
    leaderboard: tuple[CandidateScore, ...] = ()


@dataclass(frozen=True)
class JobContext:
    """What a task may use besides its payload.

    `report_progress` takes the share done, 0 to 1, and a message; `report_score` a candidate of a training, whenever it
    has come further.
    """

    storage: Storage
    directory: str
    report_progress: Callable[[float, str], None] = lambda fraction, message: None
    attempt: Attempt = Attempt(0, 1)
    lake: LakeConfig | None = None
    started_at: float = field(default_factory=time.time)
    """When the attempt began, in seconds since 1970."""
    not_to_publish: set[str] = field(default_factory=set)
    """Files of this attempt that are published already, or never will be."""
    fetched: set[Path] = field(default_factory=set)
    """What the task has read, or begun to read."""
    report_score: ReportScore = ignore_score

    def fetch(self, name: str) -> Path:
        """Return the local path of a storage name. Raises as `Storage.fetch`."""
        path = self.storage.fetch(name)
        self.fetched.add(path)
        return path

    def output(self, name: str, *, only_here: bool = False) -> tuple[str, Path]:
        """Return the storage name and local path of a new file or folder of this attempt.

        With `only_here`, the file stays on this node and is never published.
        """
        folder = self.storage.path(self.directory)
        folder.mkdir(parents=True, exist_ok=True)
        if only_here:
            self.not_to_publish.add(f"{self.directory}/{name}")
        return f"{self.directory}/{name}", folder / name

    def publish(self) -> None:
        """Publish the files of this attempt written since the last call. Raises as `Storage.publish`."""
        self.not_to_publish.update(self.storage.publish(self.directory, without=self.not_to_publish))
