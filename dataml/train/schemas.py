"""The JSON of the training calls."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from dataml.contract.contract import Contract
from dataml.http.answers import build_answer
from dataml.http.requests import request_config
from dataml.http.warnings import WarningAnswer, list_stored_warnings
from dataml.jobs.models import Job
from dataml.jobs.schemas import JOB_STATE
from dataml.jobs.spec import JobState
from dataml.jobs.time_limits import TimeLimit
from dataml.ml.labels import to_label
from dataml.ml.positive_class import resolve_positive_code
from dataml.ml.training.candidates import Quality
from dataml.train.models import Training, TrainingOverview, TrainingState
from dataml.train.predictor_names import PredictorName

_STATUS_OF_UNFINISHED: Final = {JobState.QUEUED: "submitted_to_ray", JobState.RUNNING: "running"}
STATE: Final = (
    "State of the training, in the words of jobs: queued, running, succeeded, failed or cancelled; deleted when only "
    "its record is left. The one to read in programs."
)
_OTHER_WORDS: Final = "`state` in other words: submitted_to_ray, running, completed, failed, cancelled or deleted."


class RequestColumn(BaseModel):
    """The role of one column in a training."""

    model_config = ConfigDict(extra="forbid")

    column_name: str = Field(description="A column of the dataset.")
    data_type: str | None = Field(None, description="Its type; when sent it must be the dataset's.")
    attribute_name: str = Field(
        description="Id, Target, Feature, Time or Ignore; of a Forecast also Exogenous, known in the future.",
        examples=["Target"],
    )
    hint: Literal["category"] | None = Field(
        None, description="`category`: the integers of this column are categories, such as postcodes."
    )


class ValidationRequest(BaseModel):
    """How rows are held out."""

    model_config = ConfigDict(extra="forbid")

    holdout: float = Field(0.2, ge=0.05, le=0.5, description="Share of the rows that scores the model.")
    folds: int | None = Field(
        None,
        ge=1,
        le=20,
        description="Parts of the other rows that choose and stop the candidates in turn; 1: a single part. By default "
        "by the quality 3, 5 or 8 for few rows, and 1 from 50,000 rows; 3 of a named algorithm; and 1 where there is a "
        "Time column.",
    )
    group: str | None = Field(
        None, max_length=255, description="A column, an Id for example, whose rows of one value stay together."
    )


class TuningRequest(BaseModel):
    """A search for hyperparameters."""

    model_config = ConfigDict(extra="forbid")

    trials: int = Field(20, ge=1, le=1000, description="Maximal number of trials.")
    time_budget_s: float | None = Field(
        None, gt=0, le=86_400, description="Maximal duration; the best trial so far is kept."
    )
    metric: str | None = Field(
        None,
        max_length=50,
        description="On the validation rows: log_loss (default), roc_auc, accuracy, f1_score, brier; rmse, mae, r2.",
    )


class ForecastOptions(BaseModel):
    """How a forecast is trained."""

    model_config = ConfigDict(extra="forbid")

    horizon: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Steps that the model is trained and backtested for; a forecast may have more. By default by "
        "frequency: 48 hours, 14 days, 13 weeks, 18 months, 8 quarters, 6 years.",
    )
    frequency: str | None = Field(
        None, max_length=50, description="`Day`, `Week`, `15 minutes`, ...; by default detected from the times."
    )
    season_length: int | None = Field(
        None, ge=1, le=10_000, description="Steps of the main season; by default of the frequency: 7 days, 12 months."
    )
    fill: Literal["previous", "linear", "zero", "mean", "seasonal"] | None = Field(
        None, description="How gaps and missing target values are filled; by default they are refused."
    )
    windows: int | None = Field(
        None,
        ge=1,
        le=20,
        description="Cutoffs of the backtest, a horizon apart; by default as many as the series allow.",
    )
    revised: Literal["refuse", "use"] = Field(
        "refuse",
        description="For is_incremental, whose dataset may repeat the history. use: values that differ replace the "
        "known ones, with a warning. refuse: they are an error.",
    )
    hierarchy: list[str] = Field(
        default_factory=list,
        max_length=5,
        description="Columns by whose values series are summed up, the coarsest first: `region`, `state`. The total "
        "and the sums of each level are series too, named `Total`, `North`, `North/Texas`. Their forecasts agree with "
        "those of their terms.",
    )


class TrainRequest(BaseModel):
    """What is trained, and on which dataset."""

    model_config = request_config(
        {
            "dataset_id": 101,
            "predictor_name": "churn",
            "domain": "Churn",
            "problem_type": "Classification",
            "columns": [
                {"column_name": "customer_id", "attribute_name": "Id"},
                {"column_name": "left", "attribute_name": "Target"},
            ],
            "shap_enabled": True,
        }
    )

    dataset_id: int = Field(description="A valid dataset of usage `t`.")
    predictor_name: PredictorName = Field(
        description="Unique in the tenant: 1 to 100 printable characters. `url_name` of the answer stands for it in "
        "URLs."
    )
    domain: str = Field(max_length=200, description="The business domain.", examples=["Churn"])
    problem_type: str = Field(description="Classification, Regression or Forecast, in any case.")
    columns: list[RequestColumn] = Field(
        max_length=2000, description="Roles of columns; those not listed are features. Exactly one is the Target."
    )
    is_incremental: bool = Field(
        False,
        description="Continue the newest version of this predictor on the dataset, its preprocessing unchanged. Both "
        "are scored on the same held-out rows; a worse one is kept and not promoted.",
    )
    algorithm: str | None = Field(
        None,
        description="XGBoost, LightGBM, CatBoost, Linear, or auto (the default): several models of all are tried, and "
        "the best one is kept, or a weighted blend where that is better on rows it was not chosen by. Of a Forecast: "
        "LightGBM, XGBoost, AutoETS, "
        "AutoARIMA, Theta, SeasonalNaive, HistoricMean, CrostonSBA, TSB, ADIDA, or auto.",
    )
    quality: Quality | None = Field(
        None,
        description="How much auto tries. fast: four models, in a few seconds. balanced (the default): seven, on up to "
        "five folds. best: ten on up to eight folds, those of few rows twice. What no time is left for, and what "
        "cannot improve the blend, is left out; see `limited_candidates` of the summary.",
    )
    positive_class: bool | int | float | str | None = Field(
        None,
        description="The one of two classes that precision, recall, F1, PR AUC, thresholds and curves are about. By "
        "default the labels say it (true, yes, 1, positive, churned, fraud, ...), or it is the rarer class.",
        examples=["fraud"],
    )
    allow_identifier_target: bool = Field(
        False,
        description="Train also when every row has another value in the target, and it is text, or integers that are "
        "named like an identifier, fill their range or rise with the row number. Otherwise 422 `target_is_identifier`.",
    )
    hyperparameters: dict[str, Any] = Field(
        {}, description="Parameters by scikit-learn's names, or for a named algorithm by the library's own."
    )
    validation: ValidationRequest | None = Field(None, description="How rows are held out.")
    tuning: TuningRequest | None = Field(None, description="Search for hyperparameters before the final fit.")
    forecast: ForecastOptions | None = Field(None, description="How a Forecast is trained.")
    workers: int = Field(1, ge=1, le=64, description="With more than one, Ray Train fits on shards of the rows.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the split and of the algorithm.")
    shap_enabled: bool = Field(False, description="Compute the feature importance when the training has completed.")
    new_version: bool = Field(False, description="Train the next version of a predictor that exists.")
    time_limit_s: TimeLimit = Field(
        None,
        description="Seconds that the job may run, at most those of the installation, which are the default. Time in "
        "the queue does not count. The models of a table are fitted in three quarters of it, by default in 15 to 120 "
        "seconds by the size of the table; one that is being fitted then is used as it is. A job that takes longer "
        "fails with `job_timeout`.",
    )


class TrainCreated(BaseModel):
    """A training that has been accepted."""

    id: int = Field(description="Id of the training, `train_id` of other calls.")
    tenant_id: str
    predictor_name: str
    problem_type: str
    created_by: str
    dataset_id: int
    created_at: datetime
    modified_at: datetime
    training_status: str = Field(description="submitted_to_ray.")
    state: TrainingState = Field(description=STATE)
    preprocess_id: int
    version: int
    url_name: str = Field(description="The predictor in URLs, such as that of its direct route, and in names of files.")
    job_id: str
    job_state: JobState = Field(description=JOB_STATE)


class DetailsRequest(BaseModel):
    """A training that is being configured."""

    model_config = request_config(
        {"dataset_id": 101, "predictor_name": "churn", "domain": "Churn", "problem_type": "Classification"}
    )

    dataset_id: int
    predictor_name: PredictorName
    domain: str = Field(max_length=200)
    problem_type: str


class TrainingColumn(BaseModel):
    """A column and its type."""

    column_name: str
    data_type: str


class DetailsAnswer(BaseModel):
    """The columns of a dataset and the roles they can have."""

    dataset_id: int
    predictor_name: str
    domain: str
    problem_type: str
    dataset_schema: list[TrainingColumn]
    attributes: list[str] = Field(description="Roles a column can have.")


class TrainRow(BaseModel):
    """One training in a list."""

    tenant_id: str
    predictor_name: str
    url_name: str = Field(description="The predictor in URLs, such as that of its direct route, and in names of files.")
    version: int
    parent_id: int | None = Field(description="Id of the version that an incremental training has continued.")
    preprocess_id: int
    problem_type: str
    domain: str
    created_by: str
    id: int
    dataset_id: int
    dataset_name: str
    data_source: str
    created_at: datetime
    modified_at: datetime
    algorithm: str | None = Field(description="The algorithm that was kept; null until the training has completed.")
    accuracy: float | None = Field(description="Accuracy of a classification on held-out rows.")
    metric: str | None = Field(
        description="Name of the main metric: accuracy of a Classification, r2 of a Regression (more is better), wape "
        "of a Forecast (less is better). Null until the training has completed.",
        examples=["accuracy"],
    )
    metric_value: float | None = Field(
        description="The main metric on rows that the model never saw; null where it is not defined, and until the "
        "training has completed."
    )
    state: TrainingState = Field(description=STATE)
    ml_model_status: str = Field(description=_OTHER_WORDS)
    train_status: str = Field(description=_OTHER_WORDS)
    training_status: str = Field(
        description="`state` in other words: submitted_to_ray, Running, Completed, Failed, Cancelled or Deleted."
    )
    progress: float = Field(description="Share of the training that is done, 0 to 1.")
    phrase: str = Field(description="What the training is doing.")
    error: str | None = Field(description="Why a training failed.")
    job_id: str | None
    is_promoted: bool = Field(
        description="Whether the version answers for its predictor, or did until another one was promoted: not a "
        "continuation that came out worse than its parent, one that waits to be promoted, or one that was rolled back."
    )
    positive_class: str | None = Field(
        description="The one of two classes that precision, recall, F1, PR AUC, thresholds and curves are about."
    )
    warnings: list[WarningAnswer] = Field(
        description="What to know about the data of the training; empty until it has completed."
    )
    endpoint: str | None = Field(
        description="What serves predictions: the shared `pool`, or the predictor's `own` deployment. Null for a "
        "training that has not completed."
    )
    endpoint_url: str | None = Field(
        description="Path of the predictor's direct route, for POST; it ends in `/forecast` for a Forecast, else in "
        "`/predict`. Null for a version that does not answer it."
    )
    version_url: str | None = Field(
        default=None,
        description="Path of this version, for POST, whether or not it answers for its predictor; null until the "
        "training has completed.",
    )


class TrainList(BaseModel):
    """A page of trainings."""

    total: int
    data: list[TrainRow]


class SummaryAnswer(BaseModel):
    """The model of a completed training."""

    model_summary: dict[str, Any] = Field(description="The model, its metrics on held-out rows, and its training.")
    confusion_matrix: list[list[int]] | None = Field(
        description="Rows are true classes, columns predicted ones, in the order of `classes`; null for a regression."
    )
    classes: list[str] | None
    positive_class: str | None = Field(
        description="The one of two classes that precision, recall, F1, PR AUC, thresholds and curves are about."
    )
    average: dict[str, str] | None = Field(
        description="How each score combines the classes: `binary` is of the positive class, `macro` the mean over the "
        "classes, `weighted` their mean weighted by rows. Null for a regression and for a model of an earlier version."
    )
    warnings: list[WarningAnswer] = Field(description="What to know about the data of the training.")


class ImportanceAnswer(BaseModel):
    """The newest feature importance of a training."""

    feature_importance: dict[str, float] = Field(
        description="Mean absolute SHAP value of each feature, normalised to sum to 1, largest first."
    )
    status: str = Field(description="completed, running, failed, cancelled or not_started.")
    sample_rows: int | None = Field(description="Rows the values were computed on.")
    total_rows: int | None = Field(description="Rows of the dataset.")
    error: str | None


class ImportanceStarted(BaseModel):
    """The job that computes a feature importance."""

    status: str
    message: str
    shap_job_id: str
    job_state: JobState = Field(description=JOB_STATE)


class SchemaAnswer(BaseModel):
    """The columns of a training."""

    model_config = ConfigDict(populate_by_name=True)

    columns: list[TrainingColumn] = Field(alias="schema", description="The columns that the training was made with.")
    train_id: int
    preprocess_id: int = Field(description="The training's own preprocessing, whose columns these are.")
    bound_preprocess_id: int = Field(
        description="The one that the model is bound to: another one after `POST /train/update`."
    )


def list_columns(contract: Contract) -> list[TrainingColumn]:
    """Return the columns of a contract."""
    return [TrainingColumn(column_name=c.name, data_type=c.data_type) for c in contract.columns]


def positive_label(training: Training) -> str | None:
    """Return the label of the positive one of two classes; None for other models."""
    summary = training.summary or {}
    classes = summary.get("classes") or []
    return (
        to_label(classes[resolve_positive_code(classes, summary.get("positive_class"))]) if len(classes) == 2 else None
    )


def read_warnings(training: Training) -> list[WarningAnswer]:
    """Return the warnings of a training."""
    return list_stored_warnings((training.summary or {}).get("warnings"))


def build_created(training: Training, job: Job) -> TrainCreated:
    """Return the answer to an accepted training."""
    return build_answer(
        TrainCreated,
        training,
        training_status=training.status,
        state=training.state_with(job),
        job_id=job.public_id,
        job_state=job.state,
    )


def build_row(overview: TrainingOverview, tenant_name: str) -> TrainRow:
    """Return a training as lists show it."""
    return build_answer(TrainRow, overview.training, **row_fields(overview, tenant_name))


def row_fields(overview: TrainingOverview, tenant_name: str) -> dict[str, Any]:
    """Return the fields of a `TrainRow` that are not columns of the training, or have another value than these."""
    training, dataset, job = overview.training, overview.dataset, overview.job
    status = training.status
    if status == "submitted_to_ray" and job is not None:
        status = _STATUS_OF_UNFINISHED.get(JobState(job.state), status)
    return {
        "dataset_name": dataset.name,
        "data_source": dataset.data_source,
        "state": training.state_with(job),
        "ml_model_status": status,
        "train_status": status,
        "training_status": status if status == "submitted_to_ray" else status.capitalize(),
        "progress": job.progress if job else 0.0,
        "phrase": job.message if job else "",
        "error": training.failure,
        "job_id": job.public_id if job else None,
        "positive_class": positive_label(training),
        "warnings": read_warnings(training),
        "endpoint": training.endpoint if training.status == "completed" else None,
        "endpoint_url": direct_route(training, tenant_name) if overview.is_serving else None,
        "version_url": version_route(training, tenant_name) if training.status == "completed" else None,
    }


def direct_route(training: Training, tenant_name: str, *, alias: str | None = None) -> str:
    """Return the path by which a predictor is called by its name; with `alias`, the version that this names."""
    return _route(training, tenant_name, training.url_name if alias is None else f"{training.url_name}@{alias}")


def version_route(training: Training, tenant_name: str) -> str:
    """Return the path by which this version of a predictor is called."""
    return _route(training, tenant_name, f"{training.url_name}/v{training.version}")


def _route(training: Training, tenant_name: str, address: str) -> str:
    call = "forecast" if training.problem_type == "Forecast" else "predict"
    return f"/models/{tenant_name}/{address}/{call}"
