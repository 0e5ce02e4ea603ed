"""The JSON of the calls on the series of a forecast model."""

from pydantic import BaseModel, Field

_ID = (
    "The series, a value of the Id column, or the name of a sum of a hierarchy; null where the model has one series "
    "without an Id."
)


class SeriesRow(BaseModel):
    """One series of a forecast model."""

    unique_id: str | None = Field(description=_ID)
    level: str | None = Field(
        description="The level of the hierarchy: `Total`, a column of it, or the Id column; null without a hierarchy."
    )
    values: int = Field(description="Steps that the model keeps: the end of the series, as long as its members need.")
    first: str | None = Field(description="The first step that is kept, as a forecast writes its dates.")
    last: str | None = Field(description="The last one; the forecast starts behind it.")


class SeriesList(BaseModel):
    """A page of the series of a forecast model."""

    total: int
    data: list[SeriesRow]


class HistoryStep(BaseModel):
    """One observed step."""

    date: str
    value: float | None = Field(description="The value; null where it is missing.")


class HistoryAnswer(BaseModel):
    """The end of a series."""

    train_id: int
    unique_id: str | None = Field(description=_ID)
    frequency: str
    history: list[HistoryStep] = Field(description="The last steps that the model keeps, in order of time.")
    next_dates: list[str] = Field(
        description="The dates of the next steps, `ahead` of them: those of values of the future."
    )
