"""What calls about explanations answer; the answer itself is put together from finished JSON."""

from typing import Any

from pydantic import BaseModel, Field


class DependenceChart(BaseModel):
    name: str = Field(description="Of its picture: `dependence-1` for the most important feature, and so on.")
    feature: str
    coloured_by: str | None = Field(description="The feature it interacts with most; null when there is none.")
    chart: dict[str, Any] = Field(description="Vega-Lite, complete with its data: value against SHAP value.")


class ExplainedRow(BaseModel):
    row: int = Field(description="Place in the dataset's validated rows, from 0.")
    class_: str | None = Field(alias="class", description="The class explained, beyond two classes.")
    values: dict[str, Any] = Field(description="Of the most important features.")
    effects: dict[str, float] = Field(description="Their SHAP values.")


class ExplanationAnswer(BaseModel):
    feature_importance: dict[str, float] = Field(
        description="Mean absolute SHAP value of each feature, normalised to sum to 1, largest first."
    )
    sample_rows: int = Field(description="Rows the importance was computed on; at most 2,000 of them are drawn.")
    total_rows: int = Field(description="Rows of the dataset.")
    effect: str = Field(description="What the SHAP values add up to.")
    classes: list[str] | None = Field(description="The classes shown, most frequent first, beyond two classes.")
    rows: list[ExplainedRow] = Field(description="The first rows of the sample.")
    beeswarm: dict[str, Any] | None = Field(
        description="Vega-Lite, complete with its data; null when no feature has any effect."
    )
    dependence: list[DependenceChart] = Field(description="Of the ten most important features, at most.")
