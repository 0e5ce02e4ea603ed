"""Compares versions that share the traffic of a predictor, each by the requests that it has answered itself."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db.scope import Scope
from dataml.errors import Conflict, Invalid
from dataml.inference.actuals import find_actuals, score
from dataml.inference.differences import Difference, difference_of_means, difference_of_shares
from dataml.inference.models import PredictionLogEntry
from dataml.inference.service import first_id_at
from dataml.ml.labels import to_label
from dataml.train import champions
from dataml.train.models import Training
from dataml.train.predictors import service as predictors

MAX_REQUESTS: Final = 10_000
"""The newest requests of each version that are compared."""
MAX_VERSIONS: Final = 10
MAX_CLASSES: Final = 20
"""The most frequent classes whose shares are compared."""


@dataclass(frozen=True)
class ClassShare:
    """How often a version has predicted a class; `difference` is None for the baseline."""

    label: str
    share: float
    difference: Difference | None


@dataclass(frozen=True)
class VersionResult:
    """What a version has predicted; each `Difference` is that from the baseline, and None for the baseline itself.

    Attributes:
        training: the version.
        requests: predictions that are compared.
        class_shares: of classes, most frequent first; None for numbers.
        mean, deviation: of numbers; None for classes, and for too few predictions.
        mean_difference: of numbers.
        probability: mean probability of the class that was predicted.
        probability_difference: of that.
        actuals: predictions whose outcome is known.
        score: the mean of their scores.
        score_difference: of that.
    """

    training: Training
    requests: int
    class_shares: Sequence[ClassShare] | None
    mean: float | None
    deviation: float | None
    mean_difference: Difference | None
    probability: float | None
    probability_difference: Difference | None
    actuals: int
    score: float | None
    score_difference: Difference | None


@dataclass(frozen=True)
class _Sample:
    """The predictions of a version, and the outcomes of those that have one."""

    training: Training
    predictions: Sequence[Any]
    probabilities: Sequence[float]
    scores: Sequence[float]


async def compare_versions(
    session: AsyncSession, scope: Scope, predictor_name: str, versions: Sequence[int], since: datetime | None
) -> list[VersionResult]:
    """Compare versions of a predictor by what each has answered in real time; the first one is the baseline.

    The champion comes first, if it is among them, then the others by their numbers.

    Args:
        session: a session of the database.
        scope: the tenant.
        predictor_name: or its name in URLs.
        versions: which; empty for those that share the traffic now.
        since: only requests from this time on.

    Raises:
        NotFound: `predictor_not_found`, `version_not_found`.
        Conflict: `model_not_ready`, `traffic_not_split`, `wrong_problem_type`.
        Invalid: `too_few_versions`, `too_many_versions`.
    """
    predictor = await champions.get(session, scope, predictor_name)
    chosen = set(versions) or {share["version"] for share in predictor.traffic or ()}
    _check_number(chosen, is_named=bool(versions))
    trainings = [await predictors.get_addressed(session, scope, predictor_name, str(each)) for each in sorted(chosen)]
    _refuse_forecasts(trainings)
    trainings.sort(key=lambda training: (training.id != predictor.champion_id, training.version))
    samples = [await _read(session, scope, training, since) for training in trainings]
    return await asyncio.to_thread(lambda: [_compare(sample, samples[0]) for sample in samples])


def _check_number(versions: set[int], *, is_named: bool) -> None:
    if not versions:
        detail = "The traffic of this predictor is not split; name the versions to compare."
        raise Conflict(detail, code="traffic_not_split")
    if is_named and len(versions) < 2:
        raise Invalid("Name two versions or more to compare.", code="too_few_versions")
    if len(versions) > MAX_VERSIONS:
        raise Invalid(f"At most {MAX_VERSIONS} versions can be compared at a time.", code="too_many_versions")


def _refuse_forecasts(trainings: Sequence[Training]) -> None:
    kinds = {training.problem_type for training in trainings}
    if len(kinds) > 1 or "Forecast" in kinds:
        detail = (
            f"Only versions that all predict classes, or all numbers, are compared; not {', '.join(sorted(kinds))}."
        )
        raise Conflict(detail, code="wrong_problem_type")


async def _read(session: AsyncSession, scope: Scope, training: Training, since: datetime | None) -> _Sample:
    entry = PredictionLogEntry
    where = [entry.training_id == training.id, entry.prediction_type == "realtime"]
    if since is not None:
        where.append(entry.id >= first_id_at(since))
    columns = scope.select_columns(entry, entry.id, entry.output_data).where(*where)
    rows = (await session.execute(columns.order_by(entry.id.desc()).limit(MAX_REQUESTS))).all()
    actuals = await find_actuals(session, scope, [row.id for row in rows])
    return await asyncio.to_thread(_to_sample, training, {row.id: row.output_data for row in rows}, actuals)


def _to_sample(training: Training, rows: Mapping[int, str | None], actuals: Mapping[int, Any]) -> _Sample:
    is_number = training.problem_type == "Regression"
    outputs = {each: json.loads(text) for each, text in rows.items() if text is not None}
    return _Sample(
        training=training,
        predictions=[output["prediction"] for output in outputs.values()],
        probabilities=[output["probability"] for output in outputs.values() if output["probability"] is not None],
        scores=[
            score(outputs[each]["prediction"], actual, is_number=is_number)
            for each, actual in actuals.items()
            if each in outputs
        ],
    )


def _compare(sample: _Sample, baseline: _Sample) -> VersionResult:
    is_number = sample.training.problem_type == "Regression"
    is_baseline = sample is baseline

    def difference(values: Sequence[float], others: Sequence[float]) -> Difference | None:
        return None if is_baseline else difference_of_means(values, others)

    if is_number or is_baseline:
        score_difference = difference(sample.scores, baseline.scores)
    else:
        right, base_right = (int(sum(each.scores)) for each in (sample, baseline))
        score_difference = _difference_of_counts(right, base_right, sample.scores, baseline.scores)
    numbers = sample.predictions if is_number else ()
    return VersionResult(
        training=sample.training,
        requests=len(sample.predictions),
        class_shares=None if is_number else _class_shares(sample, baseline),
        mean=_mean(numbers),
        deviation=float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
        mean_difference=difference(numbers, baseline.predictions) if is_number else None,
        probability=_mean(sample.probabilities),
        probability_difference=difference(sample.probabilities, baseline.probabilities),
        actuals=len(sample.scores),
        score=_mean(sample.scores),
        score_difference=score_difference,
    )


def _class_shares(sample: _Sample, baseline: _Sample) -> list[ClassShare]:
    counts, others = (Counter(map(to_label, each.predictions)) for each in (sample, baseline))
    # A class that only one of them predicts is the largest difference.
    labels = [label for label, _ in (counts + others).most_common(MAX_CLASSES)]
    return [
        ClassShare(
            label,
            counts[label] / len(sample.predictions) if sample.predictions else 0.0,
            None
            if sample is baseline
            else _difference_of_counts(counts[label], others[label], sample.predictions, baseline.predictions),
        )
        for label in labels
    ]


def _difference_of_counts(
    count: int, base_count: int, rows: Sequence[Any], base_rows: Sequence[Any]
) -> Difference | None:
    return difference_of_shares(count, len(rows), base_count, len(base_rows))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
