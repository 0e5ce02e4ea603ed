"""Compares a shadow with the versions that have answered, on the same requests of the prediction log."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db.chunks import chunks
from dataml.db.scope import Scope
from dataml.inference.actuals import find_actuals, score
from dataml.inference.differences import Difference, mean_of_differences
from dataml.inference.models import PredictionLogEntry
from dataml.inference.service import first_id_at

MAX_PAIRS: Final = 10_000
"""The newest copies that are compared."""
MAX_EXAMPLES: Final = 20


@dataclass(frozen=True)
class Pair:
    """What was answered to one request, and what the shadow has predicted for its copy."""

    answered: PredictionLogEntry
    shadow: PredictionLogEntry

    @property
    def predictions(self) -> tuple[Any, Any]:
        """Both predictions."""
        return _output(self.answered)["prediction"], _output(self.shadow)["prediction"]

    @property
    def probability_shift(self) -> float | None:
        """The shadow's probability of the class that was answered, minus the one answered; None for numbers."""
        answered = _output(self.answered)["probability"]
        of_shadow = (self.shadow.request or {})["probability_of_answer"]
        return of_shadow - answered if answered is not None and of_shadow is not None else None

    def duration_ms(self, name: str) -> float:
        """Return how long the answer or the shadow took: `answered_in_ms` or `duration_ms`."""
        return (self.shadow.request or {})[name]


@dataclass(frozen=True)
class Comparison:
    """A shadow beside what was answered.

    Attributes:
        pairs: requests that were compared.
        training_ids: the versions that have answered them.
        agreement: share of equal predictions, of classes.
        mean_difference: mean of shadow minus answer, of numbers.
        mean_absolute_difference: mean of its absolute value.
        probability_shift: mean of the shadow's probability of the class that was answered, minus the one answered.
        answered_ms, shadow_ms: 50th and 99th percentile of the time of an answer and of a copy, in milliseconds.
        examples: the newest requests with other classes, or those with the largest differences.
        actuals: pairs whose outcome is known.
        answered_score, shadow_score: the means of their scores.
        score_difference: the mean of shadow minus answer.
    """

    pairs: int
    training_ids: Sequence[int]
    agreement: float | None
    mean_difference: float | None
    mean_absolute_difference: float | None
    probability_shift: float | None
    answered_ms: tuple[float, float] | None
    shadow_ms: tuple[float, float] | None
    examples: Sequence[Pair]
    actuals: int
    answered_score: float | None
    shadow_score: float | None
    score_difference: Difference | None


async def compare_shadow(
    session: AsyncSession, scope: Scope, train_id: int, *, is_number: bool, since: datetime | None
) -> Comparison:
    """Compare what a version has predicted as a shadow with what was answered.

    Args:
        session: a session of the database.
        scope: the tenant.
        train_id: the version.
        is_number: whether predictions are numbers, not classes.
        since: only requests from this time on.
    """
    where = [PredictionLogEntry.training_id == train_id, PredictionLogEntry.prediction_type == "shadow"]
    if since is not None:
        where.append(PredictionLogEntry.id >= first_id_at(since))
    rows = scope.select(PredictionLogEntry).where(*where).order_by(PredictionLogEntry.id.desc()).limit(MAX_PAIRS)
    shadows = [row for row in await session.scalars(rows) if "shadow_of" in (row.request or {})]
    answered = await _find_answered(session, scope, [(row.request or {})["shadow_of"] for row in shadows])
    pairs = [
        Pair(answered[row.request["shadow_of"]], row)
        for row in shadows
        if row.request is not None and row.request["shadow_of"] in answered
    ]
    actuals = await find_actuals(session, scope, [pair.answered.id for pair in pairs])
    return _compare(pairs, actuals, is_number=is_number)


async def _find_answered(session: AsyncSession, scope: Scope, ids: Sequence[int]) -> dict[int, PredictionLogEntry]:
    found: dict[int, PredictionLogEntry] = {}
    for chunk in chunks(ids):
        rows = scope.select(PredictionLogEntry).where(PredictionLogEntry.id.in_(chunk))
        found.update({row.id: row for row in await session.scalars(rows)})
    return found


def _compare(pairs: Sequence[Pair], actuals: Mapping[int, Any], *, is_number: bool) -> Comparison:
    agreement = mean_difference = mean_absolute = shift = None
    examples: list[Pair] = []
    if pairs and is_number:
        differences = np.array([shadow - answered for answered, shadow in (pair.predictions for pair in pairs)])
        mean_difference, mean_absolute = float(differences.mean()), float(np.abs(differences).mean())
        largest = np.argsort(-np.abs(differences), kind="stable")[:MAX_EXAMPLES]
        examples = [pairs[index] for index in largest if differences[index]]
    elif pairs:
        others = [pair for pair in pairs if pair.predictions[0] != pair.predictions[1]]
        agreement, examples = 1 - len(others) / len(pairs), others[:MAX_EXAMPLES]
        shifts = [shift for shift in (pair.probability_shift for pair in pairs) if shift is not None]
        shift = float(np.mean(shifts)) if shifts else None
    scores = [
        [score(prediction, actuals[pair.answered.id], is_number=is_number) for prediction in pair.predictions]
        for pair in pairs
        if pair.answered.id in actuals
    ]
    answered_score, shadow_score = np.mean(scores, axis=0).tolist() if scores else (None, None)
    return Comparison(
        pairs=len(pairs),
        training_ids=sorted({pair.answered.training_id for pair in pairs}),
        agreement=agreement,
        mean_difference=mean_difference,
        mean_absolute_difference=mean_absolute,
        probability_shift=shift,
        answered_ms=_percentiles([pair.duration_ms("answered_in_ms") for pair in pairs]),
        shadow_ms=_percentiles([pair.duration_ms("duration_ms") for pair in pairs]),
        examples=examples,
        actuals=len(scores),
        answered_score=answered_score,
        shadow_score=shadow_score,
        score_difference=mean_of_differences([of_shadow - of_answer for of_answer, of_shadow in scores]),
    )


def _percentiles(durations_ms: Sequence[float]) -> tuple[float, float] | None:
    if not durations_ms:
        return None
    median, p99 = np.percentile(durations_ms, (50, 99))
    return float(median), float(p99)


def _output(entry: PredictionLogEntry) -> dict[str, Any]:
    return json.loads(entry.output_data or "{}")
