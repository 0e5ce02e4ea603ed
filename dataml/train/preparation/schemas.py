"""The JSON of the calls that prepare a training."""

from pydantic import BaseModel, Field

from dataml.http.warnings import WarningAnswer


class TrainChecked(BaseModel):
    """What a request would train. Nothing was started."""

    dataset_id: int
    predictor_name: str
    version: int = Field(description="The version that it would be now.")
    problem_type: str
    target: str
    roles: dict[str, str] = Field(description="Role of every column.")
    algorithm: str = Field(description="The algorithm that would be used; with auto all are tried.")
    parent_id: int | None = Field(description="Id of the training that an incremental one would continue.")
    time_limit_s: int = Field(description="Seconds that the job may run.")
    warnings: list[WarningAnswer] = Field(description="What to know about the data before the training.")


class SuggestedColumn(BaseModel):
    """A column, and the role that it most likely has."""

    column_name: str
    data_type: str
    attribute_name: str = Field(description="Target, Feature, Id, Time or Ignore.")
    reason: str | None = Field(description="Why it has this role; null for a feature like any other.")


class ProblemTypeOptions(BaseModel):
    """What a training of one problem type can be told."""

    problem_type: str
    attributes: list[str] = Field(description="Roles a column can have.")
    algorithms: list[str] = Field(description="Algorithms of this installation, `auto` first.")
    tuning_metrics: list[str] = Field(description="What a search can compare trials by; empty where there is none.")


class TrainSuggestion(BaseModel):
    """How to train on a dataset, as its first rows suggest it; and what can be chosen instead."""

    dataset_id: int
    target: str
    problem_type: str = Field(description="Classification, Regression or Forecast.")
    reason: str = Field(description="Why this problem type.")
    classes: list[str] | None = Field(
        description="Values of the target in the first rows, where they can be classes and are at most 100."
    )
    frequency: str | None = Field(description="Of a Forecast, as the times show it.")
    horizon: int | None = Field(description="Of a Forecast: the horizon that it has by default.")
    columns: list[SuggestedColumn]
    options: list[ProblemTypeOptions]
    time_limit_s: int = Field(description="Seconds that the job may run at most on this installation.")
