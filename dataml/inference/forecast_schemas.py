"""What the calls of forecasts take and answer."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_STEPS = 1_000
"""Of one series in one answer, in the frequency that was asked for."""


class FutureDataset(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dataset_id: int = Field(description="A valid dataset of usage `p` with Time, Id and the exogenous columns.")


class ForecastRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    train_id: int = Field(description="Id of a completed training of problem_type Forecast.")
    preprocess_id: int = Field(description="Its preprocessing, as the training's answers name it.")
    steps: int = Field(ge=1, le=MOST_STEPS, description="How many steps, in `frequency`.")
    frequency: str | None = Field(
        None,
        max_length=50,
        description="`Day`, `Week`, `Month`, ...: the model's own (the default), or a coarser one, made of whole steps "
        "of the model's.",
        examples=["Week"],
    )
    unique_id: str | None = Field(
        None, max_length=1_000, description="The series, a value of the Id column; needless where there is one series."
    )
    unique_ids: list[str] | Literal["all"] | None = Field(
        None, description="Several series, or `all` of them, instead of `unique_id`."
    )
    dataset_id: int | None = Field(
        None,
        description="A valid dataset with what was observed since the training: the forecast starts where it ends, and "
        "nothing is trained.",
    )
    future: list[dict[str, Any]] | FutureDataset | None = Field(
        None,
        description="The exogenous columns of the steps: a row a series and step with the Time column (and the Id "
        "column, where several series are asked for), or a dataset.",
    )
    level: float = Field(95.0, ge=50, le=99.9, description="Share of values that lie in the interval, in percent.")
    aggregate: Literal["sum", "mean"] = Field(
        "sum", description="What a step of a coarser frequency is of the model's own steps."
    )
    explain: bool = Field(False, description="Add what each feature contributes to each step.")


class ForecastStep(BaseModel):
    unique_id: str | None = Field(description="The series; null where the model has one series without an Id.")
    date: str = Field(description="Start of the step: a date, or a time in UTC for frequencies below a day.")
    value: int | float = Field(description="Whole for an Integer target, and within the bounds of its contract.")
    confidence: float | None = Field(
        description="The model's backtest accuracy so many steps ahead: 1 - weighted absolute percentage error, 0 to 1."
    )
    lower: int | float
    upper: int | float
    explanation: dict[str, float] | None = Field(
        None, description="Contributions that add up to the value before it is rounded; when asked for."
    )


class ForecastAnswer(BaseModel):
    forecast: list[ForecastStep] = Field(description="Series by series, each in order of time.")
    train_id: int
    frequency: str
    level: float
    prediction_id: int = Field(description="63-bit id of this answer in the prediction log.")


class BatchForecast(BaseModel):
    """What a batch of a Forecast may say; the dataset of the batch has the exogenous values of the steps."""

    model_config = ConfigDict(extra="forbid")

    steps: int | None = Field(None, ge=1, le=MOST_STEPS, description="By default the horizon of the model.")
    frequency: str | None = Field(None, max_length=50, description="As of a single forecast.")
    unique_ids: list[str] | None = Field(None, min_length=1, description="Some series; by default all.")
    observations_id: int | None = Field(None, description="A valid dataset with what was observed since the training.")
    level: float = Field(95.0, ge=50, le=99.9)
    aggregate: Literal["sum", "mean"] = "sum"
