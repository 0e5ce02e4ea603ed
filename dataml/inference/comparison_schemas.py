"""The JSON of comparisons of versions: a shadow with what was answered, and versions that share the traffic."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self

from pydantic import BaseModel, Field

from dataml.inference.actuals import ScoreMetric, score_metric
from dataml.inference.comparison import MAX_EXAMPLES, MAX_PAIRS, Comparison, Pair
from dataml.inference.differences import Difference, difference_of_shares
from dataml.inference.split_comparison import MAX_CLASSES, MAX_REQUESTS, ClassShare, VersionResult
from dataml.metrics.schemas import VersionCalls
from dataml.metrics.totals import RecentCalls
from dataml.train.models import Training

_METRIC = "What predictions are scored by where the outcome is known: higher `accuracy` is better, lower "
_METRIC += "`mean_absolute_error`."


class DifferenceAnswer(BaseModel):
    """A difference with its 95% interval. While the interval holds 0, it may be chance."""

    value: float
    low: float = Field(description="Lower bound of the interval.")
    high: float = Field(description="Upper bound of the interval.")

    @classmethod
    def from_difference(cls, difference: Difference | None) -> Self | None:
        """Return a difference; None where there is none."""
        return None if difference is None else cls(**asdict(difference))


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
    metric: ScoreMetric = Field(description=_METRIC)
    actuals: int = Field(description="Requests that are compared and whose actual outcome is known.")
    answered_score: float | None = Field(description="The metric of what was answered to them; null without outcomes.")
    shadow_score: float | None = Field(description="The metric of what the shadow has predicted for them.")
    score_difference: DifferenceAnswer | None = Field(
        description="The shadow's minus the answer's, on the same requests; null with fewer than two outcomes."
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
            metric=score_metric(is_number=training.problem_type == "Regression"),
            actuals=comparison.actuals,
            answered_score=comparison.answered_score,
            shadow_score=comparison.shadow_score,
            score_difference=DifferenceAnswer.from_difference(comparison.score_difference),
        )


class ClassShareAnswer(BaseModel):
    """How often a version has predicted a class."""

    label: str = Field(description="The class, as text.")
    share: float
    difference: DifferenceAnswer | None = Field(description="Minus the share of the baseline; null for the baseline.")

    @classmethod
    def from_share(cls, share: ClassShare) -> Self:
        """Return the share of a class."""
        return cls(label=share.label, share=share.share, difference=DifferenceAnswer.from_difference(share.difference))


class VersionComparison(BaseModel):
    """What a version has answered. Each difference is the version's minus the baseline's, null for the baseline."""

    version: int
    train_id: int
    requests: int = Field(description=f"Predictions that are compared, the newest {MAX_REQUESTS:,} at most.")
    class_shares: list[ClassShareAnswer] | None = Field(
        description=f"Shares of the {MAX_CLASSES} most frequent classes; null for a regression."
    )
    mean: float | None = Field(description="Mean of the predicted numbers; null for classes.")
    standard_deviation: float | None = Field(description="Of the predicted numbers; null for classes.")
    mean_difference: DifferenceAnswer | None = Field(description="Of the means; null for classes.")
    probability: float | None = Field(description="Mean probability of the class that was predicted.")
    probability_difference: DifferenceAnswer | None = Field(description="Of that.")
    actuals: int = Field(description="Predictions whose actual outcome is known.")
    score: float | None = Field(description="The metric of those; null without outcomes.")
    score_difference: DifferenceAnswer | None = Field(description="Of that.")
    recent_calls: VersionCalls | None = Field(
        description="Its calls in the last five minutes, with latency and errors; null while they are not known."
    )
    error_rate_difference: DifferenceAnswer | None = Field(
        description="Of the shares of these calls that were answered with an error."
    )


class SplitComparisonAnswer(BaseModel):
    """Versions that share the traffic of a predictor.

    Each has answered other requests: a difference is one of the versions only as far as chance, or the routing key, has
    given them requests of the same kind. A shadow is compared on the same requests.
    """

    problem_type: str
    metric: ScoreMetric = Field(description=_METRIC)
    baseline: int = Field(description="The version that the others are compared with: the champion, if it is there.")
    same_requests: bool = Field(description="Always false: each version has answered other requests.")
    data: list[VersionComparison] = Field(description="The baseline, then the others by their numbers.")

    @classmethod
    def from_results(cls, results: Sequence[VersionResult], calls: Sequence[RecentCalls | None]) -> Self:
        """Return the results of versions, and what the metrics of the platform say of the calls of each."""
        baseline = results[0].training
        return cls(
            problem_type=baseline.problem_type,
            metric=score_metric(is_number=baseline.problem_type == "Regression"),
            baseline=baseline.version,
            same_requests=False,
            data=[
                _version_comparison(result, own, calls[0] if index else None)
                for index, (result, own) in enumerate(zip(results, calls, strict=True))
            ],
        )


def _version_comparison(
    result: VersionResult, calls: RecentCalls | None, base_calls: RecentCalls | None
) -> VersionComparison:
    error_rates = None
    if calls is not None and base_calls is not None:
        error_rates = difference_of_shares(calls.errors, calls.requests, base_calls.errors, base_calls.requests)
    shares = result.class_shares
    return VersionComparison(
        version=result.training.version,
        train_id=result.training.id,
        requests=result.requests,
        class_shares=None if shares is None else [ClassShareAnswer.from_share(share) for share in shares],
        mean=result.mean,
        standard_deviation=result.deviation,
        mean_difference=DifferenceAnswer.from_difference(result.mean_difference),
        probability=result.probability,
        probability_difference=DifferenceAnswer.from_difference(result.probability_difference),
        actuals=result.actuals,
        score=result.score,
        score_difference=DifferenceAnswer.from_difference(result.score_difference),
        recent_calls=None if calls is None else VersionCalls.from_metrics(calls),
        error_rate_difference=DifferenceAnswer.from_difference(error_rates),
    )
