"""The JSON of the calls on the decision threshold of a model."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from dataml.http.requests import request_config

Threshold = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
"""A decision threshold in a request."""

THRESHOLD: Final = (
    "The probability of `positive_class` from which on it is predicted, without another one in a request; 0.5 for the "
    "more probable class. Null for other models than those of two classes."
)
THRESHOLD_SOURCE: Final = (
    "Where the threshold comes from: `default`, the more probable class; `best_f1` or `best_youden` of the report; "
    "`custom`, a number that was set."
)


class ThresholdRequest(BaseModel):
    """The threshold to keep with a model: a number, or what chooses it."""

    model_config = request_config({"threshold": 0.3})

    threshold: Threshold | None = Field(
        None, description="Predict the positive class where its probability is at least this; null: the default."
    )
    criterion: Literal["best_f1", "best_youden", "default"] | None = Field(
        None,
        description="In place of a number: the threshold of the report with the largest F1 or Youden's J, or the "
        "default, as null does.",
    )


class ThresholdAnswer(BaseModel):
    """The threshold that is in force for a model."""

    train_id: int
    threshold: float = Field(description=THRESHOLD)
    threshold_source: Literal["default", "best_f1", "best_youden", "custom"] = Field(description=THRESHOLD_SOURCE)
    positive_class: str = Field(description="The class that the threshold is about.")
