"""What a worker outside the cluster sends, and is told."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator

Number = Annotated[float, Strict()]


class TrainOutcome(BaseModel):
    model_config = ConfigDict(extra="forbid")

    metrics: dict[str, Number | None] = Field({}, description="As the bundle's manifest says them, which counts.")
    checkpoint: str | None = Field(None, description="Null, or what `path` is.")
    error: str | None = Field(None, min_length=1, description="Why it failed; the job then fails with it.")
    path: str | None = Field(
        None, description="Storage name of the bundle: a folder in the attempt's directory, `bundle` when it is null."
    )
    is_promoted: bool | None = Field(
        None, description="Of a continuation: whether it came out better than its parent; no when it is null."
    )


class TrainReport(BaseModel):
    model_config = ConfigDict(extra="forbid")

    result: TrainOutcome
    train_id: int | None = Field(None, description="The training; when given it must be the job's.")
    preprocess_id: str | None = Field(None, description="Its preprocessing; when given it must be the training's.")

    @field_validator("preprocess_id", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if type(value) is int else value


class ExplainReport(BaseModel):
    model_config = ConfigDict(extra="forbid")

    training_id: int
    result: dict[str, Number] = Field(
        min_length=1, max_length=10_000, description="Importance of features, from 0 up; brought to a sum of 1."
    )
    sample_rows: int | None = Field(None, ge=1, lt=2**63, description="Rows that the values were computed on.")
    total_rows: int | None = Field(None, ge=1, lt=2**63, description="Rows that they were drawn from.")


class Received(BaseModel):
    status: str = "success"
    message: str
