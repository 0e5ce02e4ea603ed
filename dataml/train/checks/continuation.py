"""Checks a request that continues a predictor on new data, before any compute."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.errors import Conflict, Invalid
from dataml.ml.labels import to_label
from dataml.train.checks.layout import join_differences, list_schema_changes
from dataml.train.checks.request import Algorithm, CheckedRequest, check
from dataml.train.models import Training
from dataml.train.schemas import RequestColumn, TrainRequest

_SHOWN = 10


@dataclass(frozen=True)
class Parent:
    """The version that is continued, and the preprocessing that stays as it is."""

    training: Training
    contract: Contract
    roles: dict[str, str]


def check_continuation(request: TrainRequest, parent: Parent, dataset: Contract) -> CheckedRequest:
    """Raises:
    Conflict: `schema_changed`, `problem_type_changed`, `algorithm_changed`, `roles_changed`: what is asked for is
        another model than the parent.
    Invalid: what `request.check` finds, and `not_with_incremental`.
    """
    if changes := list_schema_changes(parent.contract, dataset):
        raise Conflict(
            f"The dataset does not have the model's columns: {join_differences(changes)}.", code="schema_changed"
        )
    named = {column.column_name for column in request.columns}
    if strange := sorted(named - set(parent.contract.names)):
        raise _roles_changed([f"{name!r} is not among the model's columns" for name in strange])
    given = [
        RequestColumn(column_name=name, data_type=None, attribute_name=role, hint=None)
        for name, role in parent.roles.items()
    ]
    columns = request.columns or given
    checked = check(request.model_copy(update={"columns": columns}), parent.contract)
    training = parent.training
    if checked.problem_type != training.problem_type:
        detail = f"The model is a {training.problem_type}; a continuation cannot be a {checked.problem_type}."
        raise Conflict(detail, code="problem_type_changed")
    differing = [name for name in parent.contract.names if checked.roles[name] != parent.roles[name]]
    if differing:
        raise _roles_changed([f"{name!r} is {checked.roles[name]}, it was {parent.roles[name]}" for name in differing])
    if checked.tuning is not None or request.workers > 1:
        detail = (
            "A continued model keeps its hyperparameters and is fitted in one process: leave out tuning and workers."
        )
        raise Invalid(detail, code="not_with_incremental")
    return replace(checked, algorithm=_algorithm(checked, training), target=training.target, roles=parent.roles)


def check_classes(parquet: Path, parent: Parent) -> None:
    """Raises:
    Conflict: `new_class`: the target has values that the model has no class for, which are named.
    """
    classes = (parent.training.summary or {}).get("classes")
    if not classes:
        return
    target = parent.training.target
    values = pq.read_table(parquet, columns=[target]).column(target).drop_null().unique().to_pylist()
    new = sorted(to_label(value) for value in values if value not in classes)
    if new:
        shown = ", ".join(repr(name) for name in new[:_SHOWN]) + (", …" if len(new) > _SHOWN else "")
        detail = f"The target {target!r} has values that are no class of the model: {shown}. Train a new version."
        raise Conflict(detail, code="new_class")


def _algorithm(checked: CheckedRequest, training: Training) -> Algorithm:
    """That of the parent; a model of several algorithms is continued as it was asked for."""
    kept = next((name for name in get_args(Algorithm) if name == training.algorithm), None)
    asked: Algorithm | None = next((a for a in get_args(Algorithm) if a == training.requested_algorithm), None)
    algorithm: Algorithm = kept or asked or "auto"
    if checked.algorithm not in ("auto", algorithm):
        detail = f"The model is of the algorithm {training.algorithm}; a continuation cannot be of another one."
        raise Conflict(detail, code="algorithm_changed")
    return algorithm


def _roles_changed(differences: list[str]) -> Conflict:
    detail = (
        f"A continuation has the model's own roles; leave columns empty, or mend it: {join_differences(differences)}."
    )
    return Conflict(detail, code="roles_changed")
