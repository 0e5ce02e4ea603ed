"""The JSON of the explanation calls, which only documents what `ml.explanation.files` writes."""

from typing import Any

from pydantic import BaseModel, Field


class DependenceChart(BaseModel):
    """The chart of one feature: its values against their SHAP values."""

    name: str = Field(description="Name of the picture: `dependence-1` for the most important feature, and so on.")
    feature: str
    coloured_by: str | None = Field(description="The feature it interacts with most; null when there is none.")
    chart: dict[str, Any] = Field(
        description="A Vega-Lite specification with its data: values of the feature against their SHAP values."
    )


class ExplainedRow(BaseModel):
    """One row of the sample with its SHAP values."""

    row: int = Field(description="Index among the validated rows of the dataset, from 0.")
    class_: str | None = Field(alias="class", description="The class explained, beyond two classes.")
    values: dict[str, Any] = Field(description="Values of the most important features.")
    effects: dict[str, float] = Field(description="Their SHAP values.")


class ExplanationAnswer(BaseModel):
    """An explanation of a model."""

    feature_importance: dict[str, float] = Field(
        description="Mean absolute SHAP value of each feature, normalised to sum to 1, largest first."
    )
    sample_rows: int = Field(
        description="Rows that the importance was computed on; the charts show at most 2,000 of them."
    )
    total_rows: int = Field(description="Rows of the dataset.")
    effect: str = Field(description="The quantity that the SHAP values add up to.")
    classes: list[str] | None = Field(description="The classes shown, most frequent first, beyond two classes.")
    rows: list[ExplainedRow] = Field(description="The first rows of the sample.")
    beeswarm: dict[str, Any] | None = Field(
        description="A Vega-Lite specification with its data; null when no feature has any effect."
    )
    dependence: list[DependenceChart] = Field(description="Charts of the ten most important features, at most.")
