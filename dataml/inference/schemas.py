"""The JSON of the prediction calls."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from dataml.http.requests import request_config
from dataml.http.warnings import WarningAnswer
from dataml.inference.forecast_schemas import BatchForecast
from dataml.jobs.schemas import JOB_STATE
from dataml.jobs.spec import JobState
from dataml.jobs.time_limits import TimeLimit
from dataml.train.threshold.schemas import Threshold

REQUEST_DESCRIPTION: Final = (
    "What was asked of a batch or a forecast: the options, and each dataset as its id, version, and the name and "
    "SHA-256 of the file with its rows. Of `future` rows in the request their number and SHA-256, and up to 16 KiB "
    "themselves. Null for a real-time prediction, and for entries of older versions of dataml."
)


THRESHOLD_OF_REQUEST: Final = (
    "Of two classes: predict `positive_class` where its probability is at least this. By default the threshold that is "
    "kept with the model, else the more probable class."
)


MAX_INSTANCES: Final = 1000
"""Rows that one request may predict in real time."""


class PredictRequest(BaseModel):
    """One row to predict, and the training that predicts it."""

    model_config = request_config(
        {"train_id": 19, "preprocess_id": 19, "features": {"tenure": 12, "plan": "basic"}, "target": "left"}
    )

    train_id: int = Field(description="Id of a completed training.")
    preprocess_id: int | None = Field(
        None, description="Need not be sent; else the model's preprocessing, `preprocess_id` of the training."
    )
    features: dict[str, Any] = Field(
        {},
        description="A value for each feature; `GET /inference/form-based-prediction` lists them with their types. "
        "Those with a default can be left out.",
    )
    target: str | None = Field(None, description="Need not be sent; else the target of the training.")
    explain: bool = Field(False, description="Add the contribution of each feature to this prediction.")
    threshold: Threshold | None = Field(None, description=THRESHOLD_OF_REQUEST)


class DirectRequest(BaseModel):
    """One row as `features`, or several as `instances`."""

    model_config = request_config({"features": {"tenure": 12, "plan": "basic"}})

    features: dict[str, Any] | None = Field(None, description="One row.")
    instances: list[dict[str, Any]] | None = Field(
        None, min_length=1, max_length=MAX_INSTANCES, description="Several rows."
    )
    explain: bool = Field(False, description="Add the contribution of each feature; for 100 rows at most.")
    threshold: Threshold | None = Field(None, description=THRESHOLD_OF_REQUEST)


class PredictAnswer(BaseModel):
    """The prediction of one row."""

    prediction: bool | int | float | str = Field(description="The prediction, in the type of the target.")
    accuracy: float | None = Field(description="Accuracy of the model on held-out rows; null for a regression.")
    probability: float | None = Field(description="Probability of the predicted class; null for a regression.")
    probabilities: dict[str, float] | None = Field(description="Probability of every class.")
    positive_class: str | None = Field(
        description="The one of two classes that the model's scores are about, as a key of `probabilities`."
    )
    threshold: float | None = Field(
        description="The probability of `positive_class` from which on it is predicted; 0.5 for the more probable "
        "class. Null for other models."
    )
    prediction_id: int = Field(description="63-bit id of this prediction in the prediction log.")
    warnings: list[WarningAnswer] = Field(
        description="Values of this row that the training has not seen: `unseen_category`, `out_of_range`."
    )
    explanation: dict[str, float] | None = Field(None, description="Contribution of each feature; only with `explain`.")


class PredictionsAnswer(BaseModel):
    """The predictions of several rows."""

    predictions: list[PredictAnswer] = Field(description="One prediction for each row, in order.")


class BatchRequest(BaseModel):
    """A dataset to score, and the training that scores it."""

    model_config = request_config({"train_id": 19, "dataset_id": 102, "explain": True})

    train_id: int = Field(description="Id of a completed training.")
    dataset_id: int | None = Field(
        None,
        description="A valid dataset of usage `p`. For a Forecast, which may need none, it is as in a single forecast.",
    )
    forecast: BatchForecast | None = Field(None, description="What to forecast, for a model of problem_type Forecast.")
    explain: bool = Field(
        False,
        description="Add to each row the five features with the largest SHAP values of its prediction, largest first: "
        "columns `explanation_1_feature`, `explanation_1_effect`, ... to 5.",
    )
    result_table: str | None = Field(
        None,
        max_length=200,
        description="Lake table that the result is also written to: in the schema `gold`, unless the name starts with "
        "another of the tenant's schemas (`silver.scores`).",
    )
    result_mode: Literal["append", "replace"] = Field(
        "append",
        description="For `result_table`. append: the rows of other batches stay in the lake table. replace: they are "
        "deleted, and the columns become those of this result.",
    )
    threshold: Threshold | None = Field(None, description=THRESHOLD_OF_REQUEST)
    time_limit_s: TimeLimit = None


class BatchStarted(BaseModel):
    """A batch that has been accepted."""

    message: str
    status_code: int = 202
    prediction_id: int
    job_id: str
    job_state: JobState = Field(description=JOB_STATE)


class ResultAnswer(BaseModel):
    """The state and the result of a batch."""

    status: str = Field(description="running, completed, failed or cancelled.")
    train_id: int = Field(description="The model: see `GET /train/{train_id}`, also when it was deleted.")
    result_path: str | None = Field(
        description="Name of the result file for `GET /files/download/`; null until there is one."
    )
    file_id: int | None
    dataset_id: int | None
    no_of_records: int
    failed_records: int = Field(description="Rows that have an error instead of a prediction.")
    request: dict[str, Any] | None = Field(description=REQUEST_DESCRIPTION)
    progress: float
    error: str | None
    job_id: str | None
    result_table: str | None = Field(
        description="Lake table that the result was also written to; null until it is there."
    )
    result_snapshot_id: int | None = Field(description="Snapshot of that table that has the result.")
    positive_class: str | None = Field(
        description="The one of two classes that the model's scores are about; its column is `probability_<class>`."
    )
    threshold: float | None = Field(
        description="The probability of `positive_class` from which on it is predicted; 0.5 for the more probable "
        "class. Null for other models, and for batches of older versions of dataml."
    )
    warnings: list[WarningAnswer] = Field(
        description="Values that the training has not seen, counted by column: `unseen_category`, `out_of_range`."
    )


class PredictionRow(BaseModel):
    """One entry of the prediction log."""

    prediction_id: int
    train_id: int
    date: datetime
    dataset_id: int | None = Field(
        description="The dataset of a batch or of a forecast from new rows; null without one, and when it is deleted."
    )
    predictor_name: str
    predictor_version: int
    model_deleted_at: datetime | None = Field(description="When the training was deleted; null while it exists.")
    prediction_type: str = Field(description="realtime, forecast, batch, or shadow: a copy of a request.")
    input_data: str = Field(
        description="The features as JSON, the dataset of a batch, or the series, steps and frequency of a forecast."
    )
    request: dict[str, Any] | None = Field(description=REQUEST_DESCRIPTION)
    output_data: str | None = Field(description="The prediction as JSON; null for a batch.")
    status: str
    no_of_records: int = Field(description="Rows that were predicted; of a forecast the steps of all its series.")
    accuracy: float | None
    problem_type: str
    domain_name: str
    created_by: str


class PredictionList(BaseModel):
    """A page of the prediction log."""

    total: int
    data: list[PredictionRow]


class FormField(BaseModel):
    """A field of a form for predictions."""

    column_name: str
    data_type: str
    default_value: str | None
    is_required: bool = Field(description="Whether a value has to be sent: there is no default, and none is allowed.")
    minimum: str | None = Field(description="Least value that is allowed, as text.")
    maximum: str | None = Field(description="Largest value that is allowed, as text.")
    allowed_values: list[str] | None = Field(description="The only values that are allowed, as text; null for any.")


class FormAnswer(BaseModel):
    """The fields that predictions with a model need."""

    id: int
    headers: list[FormField] = Field(description="The features of the model.")
    target: str
    preprocess_id: int
