"""The JSON of the forecast calls."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dataml.http.requests import request_config
from dataml.http.warnings import WarningAnswer

MAX_STEPS = 1_000
"""Steps of one series in one response, in the frequency of the request."""
_ROUND_DESCRIPTION = (
    "Round the answers for an Integer target to whole numbers: values to the nearest one, after they were summed up, "
    "and bounds outward. Means are not rounded."
)


_DATASET_DESCRIPTION = (
    "A valid dataset with the values observed since the training, the exogenous values of the steps, or both. Rows up "
    "to the last value of the target of their series are observations: the forecast starts where they end, and nothing "
    "is trained. Rows behind it, or all rows of a dataset without the target, are about the future."
)


class FutureDataset(BaseModel):
    """A dataset with the exogenous values of the steps."""

    model_config = ConfigDict(extra="forbid")

    dataset_id: int = Field(description="A valid dataset of usage `p` with Time, Id and the exogenous columns.")


class DirectForecastRequest(BaseModel):
    """The series and steps to forecast with a predictor that the path names."""

    model_config = request_config({"steps": 4, "frequency": "Week", "unique_id": "CUST_0001"})

    steps: int = Field(ge=1, le=MAX_STEPS, description="How many steps, in `frequency`.")
    frequency: str | None = Field(
        None,
        max_length=50,
        description="`Day`, `Week`, `Month`, ...: the model's own (the default), or a coarser one that consists of "
        "whole steps of the model's.",
        examples=["Week"],
    )
    unique_id: str | None = Field(
        None,
        max_length=1_000,
        description="The series, a value of the Id column; not needed where there is one series.",
    )
    unique_ids: list[str] | Literal["all"] | None = Field(
        None, description="Several series, or `all` of them, instead of `unique_id`."
    )
    dataset_id: int | None = Field(None, description=_DATASET_DESCRIPTION)
    future: list[dict[str, Any]] | FutureDataset | None = Field(
        None,
        description="The exogenous values of the steps: one row for each series and step with the Time column (and the "
        "Id column, where several series are forecast), or a dataset.",
    )
    revised: Literal["refuse", "use"] = Field(
        "refuse",
        description="Observations may repeat the history; what is known is skipped. use: values that differ replace "
        "the known ones, with a warning. refuse: they are an error.",
    )
    level: float = Field(95.0, ge=50, le=99.9, description="Share of values that lie in the interval, in percent.")
    aggregate: Literal["sum", "mean"] = Field(
        "sum", description="How the model's own steps are combined into one of a coarser frequency."
    )
    explain: bool = Field(False, description="Add the contribution of each feature to each step.")
    round: bool = Field(False, description=_ROUND_DESCRIPTION)


class ForecastRequest(DirectForecastRequest):
    """The series and steps to forecast, and the training that forecasts them."""

    model_config = request_config(
        {"train_id": 19, "preprocess_id": 19, "steps": 4, "frequency": "Week", "unique_id": "CUST_0001"}
    )

    train_id: int = Field(description="Id of a completed training of problem_type Forecast.")
    preprocess_id: int | None = Field(
        None, description="Need not be sent; else the model's preprocessing, `preprocess_id` of the training."
    )


class ForecastStep(BaseModel):
    """The forecast of one step of one series."""

    unique_id: str | None = Field(description="The series; null where the model has one series without an Id.")
    date: str = Field(
        description=(
            "Start of the step: a date, on the clock of the Time column's time zone if it has one, or a time in UTC "
            "for frequencies below a day, and for days that do not begin at midnight."
        )
    )
    value: int | float = Field(
        description="The expected value, within the bounds of the target's contract, and never negative for a series "
        "that never was; with `round` an integer for an Integer target."
    )
    confidence: float | None = Field(
        description="How accurate the value is by the backtest of the model: 1 - WAPE (weighted absolute percentage "
        "error) at this number of steps ahead, from 0 to 1. It is no probability and has nothing to do with `level`; "
        "`lower` and `upper` are the interval. Of a coarser `frequency` it is that of the sums of the steps."
    )
    lower: int | float = Field(
        description="The lower end of the prediction interval, which holds the true value with the probability "
        "`level`. Of a coarser `frequency` it comes from errors of sums of as many steps."
    )
    upper: int | float = Field(description="The upper end of the prediction interval.")
    explanation: dict[str, float] | None = Field(
        None, description="Contributions that add up to the value before it is rounded; only with `explain`."
    )


class ForecastAnswer(BaseModel):
    """A forecast."""

    forecast: list[ForecastStep] = Field(description="Series by series, each in order of time.")
    train_id: int
    frequency: str
    level: float
    prediction_id: int = Field(description="63-bit id of this forecast in the prediction log.")
    warnings: list[WarningAnswer] = Field(
        description="What to know about the forecast: `beyond_horizon`, `estimated_sums`, `unused_future`; about new "
        "observations: `known_observations`, `filled_gaps`."
    )


class BatchForecast(BaseModel):
    """The options of a batch forecast."""

    model_config = ConfigDict(extra="forbid")

    steps: int | None = Field(
        None, ge=1, le=MAX_STEPS, description="Number of steps; by default the horizon of the model."
    )
    frequency: str | None = Field(None, max_length=50, description="As in a single forecast.")
    unique_ids: list[str] | None = Field(None, min_length=1, description="Ids of the series; by default all.")
    observations_id: int | None = Field(
        None, description="A valid dataset with the values observed since the training, beside that of the batch."
    )
    future_id: int | None = Field(
        None,
        description="A valid dataset of usage `p` with the exogenous values of the steps, beside that of the batch.",
    )
    revised: Literal["refuse", "use"] = Field("refuse", description="As in a single forecast.")
    level: float = Field(95.0, ge=50, le=99.9)
    aggregate: Literal["sum", "mean"] = "sum"
    round: bool = Field(False, description=_ROUND_DESCRIPTION)
