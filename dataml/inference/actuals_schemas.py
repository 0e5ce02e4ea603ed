"""The JSON of actual outcomes."""

from typing import Annotated, Self

from pydantic import BaseModel, Field

from dataml.http.requests import request_config
from dataml.inference.actuals import MAX_ACTUALS, MAX_IDS_SHOWN, RecordedActuals

_Text = Annotated[str, Field(max_length=1000)]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class ActualOutcome(BaseModel):
    """What has really come of a prediction."""

    model_config = request_config({"prediction_id": 7411220348173312001, "value": True})

    prediction_id: int = Field(ge=1, lt=2**63, description="The `prediction_id` of a prediction in real time.")
    value: bool | int | _Number | _Text = Field(
        description="The class or the number, written as in the column of the target, or as the text of it."
    )


class ActualsRequest(BaseModel):
    """Outcomes of predictions of one predictor."""

    model_config = request_config({"actuals": [{"prediction_id": 7411220348173312001, "value": True}]})

    actuals: list[ActualOutcome] = Field(
        min_length=1, max_length=MAX_ACTUALS, description=f"At most {MAX_ACTUALS:,}, each of another prediction."
    )


class ActualsAnswer(BaseModel):
    """What has become of the outcomes."""

    added: int = Field(description="Predictions that had no outcome.")
    changed: int = Field(description="Predictions that had another outcome, which is replaced.")
    unchanged: int = Field(description="Predictions that had the same outcome.")
    unknown: int = Field(
        description="Ids that are not in the prediction log of this predictor, and so were left out. The log is a "
        "second or so behind: send them again if the predictions are that new."
    )
    unknown_ids: list[int] = Field(description=f"The first {MAX_IDS_SHOWN} of them.")

    @classmethod
    def from_recorded(cls, recorded: RecordedActuals) -> Self:
        """Return what was recorded."""
        return cls(
            added=recorded.added,
            changed=recorded.changed,
            unchanged=recorded.unchanged,
            unknown=len(recorded.unknown_ids),
            unknown_ids=list(recorded.unknown_ids[:MAX_IDS_SHOWN]),
        )
