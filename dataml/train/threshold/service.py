"""The decision threshold that is kept with a model of two classes."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.db.scope import Scope
from dataml.errors import Conflict, Invalid
from dataml.ml.decision_threshold import DEFAULT_THRESHOLD, ONLY_WITH_TWO_CLASSES, to_threshold
from dataml.train import service as trainings
from dataml.train.models import Training
from dataml.train.schemas import positive_label

BestBy = Literal["best_f1", "best_youden"]
ThresholdSource = Literal["default", "best_f1", "best_youden", "custom", "request"]
DEFAULT: Final = "default"


@dataclass(frozen=True)
class DecisionThreshold:
    """The threshold that decides predictions, and where it comes from."""

    value: float
    source: ThresholdSource

    @property
    def rule(self) -> float | None:
        """What a model decides by; None for the more probable class, which also says what equal ones become."""
        return None if self.source == DEFAULT else self.value


def choose_threshold(training: Training, requested: float | None = None) -> DecisionThreshold | None:
    """Return the threshold in force: the requested one, else the kept one, else the default; None without two classes.

    Raises:
        Invalid: `only_with_two_classes`: one is requested, and the model has not two classes.
    """
    if positive_label(training) is None:
        if requested is not None:
            raise not_two_classes()
        return None
    if requested is not None:
        return DecisionThreshold(requested, "request")
    if training.threshold is not None:
        return DecisionThreshold(training.threshold, _kept_source(training))
    return DecisionThreshold(DEFAULT_THRESHOLD, DEFAULT)


def _kept_source(training: Training) -> ThresholdSource:
    criterion = training.threshold_criterion
    return criterion if criterion in ("best_f1", "best_youden") else "custom"


def not_two_classes() -> Invalid:
    """Return the error of a threshold for a model that has not two classes."""
    return Invalid("A threshold is for a model of two classes.", code=ONLY_WITH_TWO_CLASSES)


def find_best_threshold(report: dict[str, Any], criterion: BestBy) -> float:
    """Return the threshold that the report of a model names as the best one.

    Raises:
        Conflict: `no_best_threshold`: the report has none, or it is 0.
    """
    row = (report.get("thresholds") or {}).get(criterion) or {}
    value = row.get("threshold")
    threshold = None if value is None else to_threshold(value)
    if threshold is None:
        detail = f"The report of this model has no {criterion} above 0; send a threshold as a number."
        raise Conflict(detail, code="no_best_threshold")
    return threshold


async def get_two_class_training(session: AsyncSession, scope: Scope, train_id: int, *, held: bool = False) -> Training:
    """Return a completed training whose model has two classes; with `held`, as `trainings.hold` does.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `model_not_ready`.
        Invalid: `only_with_two_classes`.
    """
    training = await trainings.get_completed(session, scope, train_id, held=held)
    if positive_label(training) is None:
        raise not_two_classes()
    return training


async def set_threshold(
    session: AsyncSession, scope: Scope, train_id: int, threshold: float | None, criterion: BestBy | None = None
) -> Training:
    """Keep a threshold with a model, or with None put the default back; return the training.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `model_not_ready`.
        Invalid: `only_with_two_classes`.
    """
    training = await get_two_class_training(session, scope, train_id, held=True)
    before = choose_threshold(training)
    training.threshold, training.threshold_criterion = threshold, criterion
    after = choose_threshold(training)
    assert before is not None
    assert after is not None
    audit.record(
        session,
        scope,
        "training.set_threshold",
        f"training:{training.id}",
        threshold=after.value,
        source=after.source,
        before=before.value,
    )
    return training
