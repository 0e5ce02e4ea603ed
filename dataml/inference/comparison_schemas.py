"""The JSON of the comparison of a shadow with what was answered."""

from typing import Any, Self

from pydantic import BaseModel, Field

from dataml.inference.comparison import MAX_EXAMPLES, MAX_PAIRS, Comparison, Pair
from dataml.train.models import Training


class Latency(BaseModel):
    """Times in milliseconds."""

    p50: float = Field(description="Half of the requests took at most so long, in milliseconds.")
    p99: float = Field(description="99% of the requests took at most so long, in milliseconds.")


class ComparisonExample(BaseModel):
    """A request for which the shadow predicts something else."""

    prediction_id: int = Field(description="The prediction that was answered, in the prediction log.")
    shadow_prediction_id: int
    input_data: str = Field(description="The features, as JSON.")
    answered: bool | int | float | str
    shadow: bool | int | float | str

    @classmethod
    def from_pair(cls, pair: Pair) -> Self:
        """Return a pair as an example."""
        answered, shadow = pair.predictions
        return cls(
            prediction_id=pair.answered.id,
            shadow_prediction_id=pair.shadow.id,
            input_data=pair.answered.input_data,
            answered=answered,
            shadow=shadow,
        )


class ComparisonAnswer(BaseModel):
    """A shadow beside the versions that have answered, on the same requests."""

    version: int = Field(description="The shadow.")
    train_id: int
    problem_type: str
    requests: int = Field(description=f"Requests that are compared, the newest {MAX_PAIRS:,} at most.")
    answered_by: list[int] = Field(description="Ids of the trainings that have answered them.")
    agreement: float | None = Field(description="Share of requests with the same class; null for a regression.")
    mean_difference: float | None = Field(
        description="Mean of the shadow's number minus the one answered; null for classes."
    )
    mean_absolute_difference: float | None = Field(description="Mean of the size of that difference.")
    probability_shift: float | None = Field(
        description="Mean of the shadow's probability of the class that was answered, minus the one answered."
    )
    answered_latency_ms: Latency | None = Field(description="Time of an answer, in milliseconds.")
    shadow_latency_ms: Latency | None = Field(description="Time of a copy, in milliseconds.")
    examples: list[ComparisonExample] = Field(
        description=f"At most {MAX_EXAMPLES}: the newest with other classes, or those that differ most."
    )

    @classmethod
    def from_comparison(cls, comparison: Comparison, training: Training) -> Self:
        """Return the comparison of a version."""

        def latency(percentiles: tuple[Any, Any] | None) -> Latency | None:
            return None if percentiles is None else Latency(p50=percentiles[0], p99=percentiles[1])

        return cls(
            version=training.version,
            train_id=training.id,
            problem_type=training.problem_type,
            requests=comparison.pairs,
            answered_by=list(comparison.training_ids),
            agreement=comparison.agreement,
            mean_difference=comparison.mean_difference,
            mean_absolute_difference=comparison.mean_absolute_difference,
            probability_shift=comparison.probability_shift,
            answered_latency_ms=latency(comparison.answered_ms),
            shadow_latency_ms=latency(comparison.shadow_ms),
            examples=[ComparisonExample.from_pair(pair) for pair in comparison.examples],
        )
