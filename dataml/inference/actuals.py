"""Actual outcomes of predictions: recorded by the id of the prediction, and the score of predictions against them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.contract.contract import Column
from dataml.contract.dates import InvalidValue
from dataml.contract.values import parse_value
from dataml.db.base import utc_now
from dataml.db.chunks import chunks
from dataml.db.scope import Scope
from dataml.db.upsert import insert
from dataml.errors import FieldError, InvalidFields
from dataml.http.strict_json import dump_json
from dataml.inference.models import Actual, PredictionLogEntry
from dataml.train import champions
from dataml.train import service as trainings
from dataml.train.models import Training

MAX_ACTUALS: Final = 10_000
"""Of one call."""
MAX_IDS_SHOWN: Final = 20
Outcome = bool | int | float | str
ScoreMetric = Literal["accuracy", "mean_absolute_error"]


@dataclass(frozen=True)
class RecordedActuals:
    """What has become of the outcomes of a call.

    Attributes:
        added: predictions that had none.
        changed: predictions that had another one.
        unchanged: predictions that had the same.
        unknown_ids: predictions that are not in the log of this predictor.
    """

    added: int
    changed: int
    unchanged: int
    unknown_ids: Sequence[int]


async def record_actuals(
    session: AsyncSession, scope: Scope, predictor_name: str, outcomes: Sequence[tuple[int, Outcome]]
) -> RecordedActuals:
    """Record outcomes by the ids of real-time predictions; one that is recorded again takes the place of the earlier.

    Values are read as those of the target in the data that the version was trained with.

    Raises:
        NotFound: `predictor_not_found`.
        InvalidFields: `prediction_repeated`; `missing_value`, or the rule that a value breaks.
    """
    predictor = await champions.get(session, scope, predictor_name)
    _refuse_repeated(outcomes)
    answered_by = await _find_answered(session, scope, predictor.predictor_name, [each for each, _ in outcomes])
    targets = await _find_targets(session, scope, set(answered_by.values()))
    values = _read_values(outcomes, {each: targets[train_id] for each, train_id in answered_by.items()})
    stored = await find_actuals(session, scope, list(values))
    changed = {each: value for each, value in values.items() if each not in stored or stored[each] != value}
    now = utc_now()
    rows = [
        {
            "id": each,
            "tenant_id": scope.tenant_id,
            "training_id": answered_by[each],
            "value": dump_json(value).decode(),
            "created_by": scope.username,
            "created_at": now,
            "modified_at": now,
        }
        # In one order, so that two such calls cannot wait for each other.
        for each, value in sorted(changed.items())
    ]
    if rows:
        statement = insert(session, Actual)
        replaced = {name: statement.excluded[name] for name in ("value", "created_by", "modified_at")}
        await session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=replaced), rows)
    recorded = RecordedActuals(
        added=len(changed.keys() - stored.keys()),
        changed=len(changed.keys() & stored.keys()),
        unchanged=len(values) - len(changed),
        unknown_ids=[each for each, _ in outcomes if each not in answered_by],
    )
    subject = f"predictor:{predictor.url_name}"
    audit.record(session, scope, "predictor.record_actuals", subject, added=recorded.added, changed=recorded.changed)
    return recorded


async def find_actuals(session: AsyncSession, scope: Scope, prediction_ids: Sequence[int]) -> dict[int, Outcome]:
    """Return the outcomes of those of these predictions that have one."""
    found: dict[int, Outcome] = {}
    columns = scope.select_columns(Actual, Actual.id, Actual.value)
    for chunk in chunks(prediction_ids):
        rows = await session.execute(columns.where(Actual.id.in_(chunk)))
        found.update({row.id: json.loads(row.value) for row in rows})
    return found


def score_metric(*, is_number: bool) -> ScoreMetric:
    """Return what predictions are scored by."""
    return "mean_absolute_error" if is_number else "accuracy"


def score(prediction: Any, actual: Any, *, is_number: bool) -> float:
    """Return the score of one prediction, whose mean is the `score_metric`."""
    return abs(float(prediction) - float(actual)) if is_number else float(prediction == actual)


def _refuse_repeated(outcomes: Sequence[tuple[int, Outcome]]) -> None:
    seen: set[int] = set()
    errors: list[FieldError] = []
    for index, (each, _) in enumerate(outcomes):
        if each in seen:
            location = ("body", "actuals", index, "prediction_id")
            errors.append(FieldError(location, "another row has the same prediction", "prediction_repeated"))
        seen.add(each)
    if errors:
        raise InvalidFields(errors)


async def _find_answered(
    session: AsyncSession, scope: Scope, predictor_name: str, prediction_ids: Sequence[int]
) -> dict[int, int]:
    """Return the version that has answered, for those predictions that are in the log of a predictor."""
    of_predictor = scope.select_columns(Training, Training.id).where(Training.predictor_name == predictor_name)
    columns = scope.select_columns(PredictionLogEntry, PredictionLogEntry.id, PredictionLogEntry.training_id)
    columns = columns.where(
        PredictionLogEntry.prediction_type == "realtime", PredictionLogEntry.training_id.in_(of_predictor)
    )
    found: dict[int, int] = {}
    for chunk in chunks(prediction_ids):
        rows = await session.execute(columns.where(PredictionLogEntry.id.in_(chunk)))
        found.update({row.id: row.training_id for row in rows})
    return found


async def _find_targets(session: AsyncSession, scope: Scope, train_ids: set[int]) -> dict[int, Column]:
    columns = scope.select_columns(Training, Training.id, Training.target, Training.preprocess_id)
    rows = (await session.execute(columns.where(Training.id.in_(train_ids)))).all()
    targets: dict[int, Column] = {}
    for row in rows:
        preprocessing = await trainings.get_preprocessing(session, scope, row.preprocess_id)
        targets[row.id] = preprocessing.parse_contract().column(row.target)
    return targets


def _read_values(outcomes: Sequence[tuple[int, Outcome]], targets: Mapping[int, Column]) -> dict[int, Any]:
    """Return the typed value of each prediction that has a target. Raises `InvalidFields`."""
    values: dict[int, Any] = {}
    errors: list[FieldError] = []
    for index, (each, given) in enumerate(outcomes):
        column = targets.get(each)
        if column is None:
            continue
        location = ("body", "actuals", index, "value")
        try:
            values[each] = parse_value(given, column.data_type, column.value_format)
        except InvalidValue as error:
            errors.append(FieldError(location, error.reason, error.rule))
            continue
        if values[each] is None:
            errors.append(FieldError(location, "it must have a value", "missing_value"))
    if errors:
        raise InvalidFields(errors)
    return values
