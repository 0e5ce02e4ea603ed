"""The JSON of the calls of workers outside the cluster."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator

from dataml.http.requests import request_config

Number = Annotated[float, Strict()]


class TrainOutcome(BaseModel):
    """How a training has ended."""

    model_config = ConfigDict(extra="forbid")

    metrics: dict[str, Number | None] = Field(
        {}, description="Metrics; they must agree with those in the bundle's manifest, which are stored."
    )
    checkpoint: str | None = Field(None, description="Null, or the same as `path`.")
    error: str | None = Field(
        None, min_length=1, description="Why the training failed; the job then fails with this text."
    )
    path: str | None = Field(
        None, description="Storage name of the bundle: a folder in the attempt's directory; by default `bundle`."
    )
    is_promoted: bool | None = Field(
        None, description="Whether a continuation came out better than its parent; null means no."
    )


class TrainReport(BaseModel):
    """The report of a training."""

    model_config = request_config({"result": {"path": "bundle", "metrics": {"accuracy": 0.91}}, "train_id": 19})

    result: TrainOutcome
    train_id: int | None = Field(None, description="The training; when sent it must be the job's.")
    preprocess_id: str | None = Field(None, description="Its preprocessing; when sent it must be the training's.")

    @field_validator("preprocess_id", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if type(value) is int else value


class ExplainReport(BaseModel):
    """The report of a feature importance."""

    model_config = request_config(
        {"training_id": 19, "result": {"tenure": 0.7, "plan": 0.3}, "sample_rows": 1000, "total_rows": 7000}
    )

    training_id: int
    result: dict[str, Number] = Field(
        min_length=1, max_length=10_000, description="Importance of features, from 0 up; it is normalised to sum to 1."
    )
    sample_rows: int | None = Field(None, ge=1, lt=2**63, description="Rows that the values were computed on.")
    total_rows: int | None = Field(None, ge=1, lt=2**63, description="Rows that these were drawn from.")


class ReportReceived(BaseModel):
    """A report that was received."""

    status: str = "success"
    message: str
