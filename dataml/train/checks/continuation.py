"""Checks a request that continues a predictor on new data, before any compute."""

from dataclasses import dataclass, replace
from typing import Final, get_args

import pyarrow as pa

from dataml.contract.adaptation import list_foreign_types
from dataml.contract.contract import Contract
from dataml.errors import Conflict, Invalid
from dataml.jobs.spec import DatasetRows, TrainSpec
from dataml.ml.labels import to_label
from dataml.tasks.model_rows import ModelRows
from dataml.train.checks.layout import find_series_time, join_differences
from dataml.train.checks.request import Algorithm, check_request
from dataml.train.models import Training
from dataml.train.schemas import RequestColumn, TrainRequest

_MAX_SHOWN: Final = 10
# Rows with other values are left out, as a validation does; a column with more of them has changed.
_MAX_MISFITS: Final = 0.2


@dataclass(frozen=True)
class Parent:
    """The version that is continued, and its preprocessing, which stays as it is."""

    training: Training
    contract: Contract
    roles: dict[str, str]


def check_continuation(request: TrainRequest, parent: Parent, rows: DatasetRows, parquet: str) -> TrainSpec:
    """Return the job spec of a request that continues `parent` on the rows of a dataset; its `train_id` is 0.

    Raises:
        Conflict: `problem_type_changed`, `algorithm_changed`, `roles_changed`: the request is for another model than
            the parent.
        Invalid: what `check_request` finds, and `not_with_incremental`.
    """
    time = find_series_time(parent.roles) if parent.training.problem_type == "Forecast" else None
    names = {column.column_name for column in request.columns}
    if unknown := sorted(names - set(parent.contract.names)):
        raise _roles_changed([f"{name!r} is not among the model's columns" for name in unknown])
    columns = [_without_type(column) if column.column_name == time else column for column in request.columns] or [
        RequestColumn(column_name=name, data_type=None, attribute_name=role, hint=None)
        for name, role in parent.roles.items()
    ]
    spec = check_request(request.model_copy(update={"columns": columns}), parent.contract, parquet)
    training = parent.training
    if spec.problem_type != training.problem_type:
        detail = f"The model is a {training.problem_type}; a continuation cannot be a {spec.problem_type}."
        raise Conflict(detail, code="problem_type_changed")
    differing = [name for name in parent.contract.names if spec.roles[name] != parent.roles[name]]
    if differing:
        raise _roles_changed([f"{name!r} is {spec.roles[name]}, it was {parent.roles[name]}" for name in differing])
    if spec.tuning is not None or spec.workers > 1 or not (request.positive_class is request.quality is None):
        detail = (
            "A continued model keeps its members, their hyperparameters and its positive class, and is fitted in one "
            "process: leave out quality, tuning, positive_class and workers."
        )
        raise Invalid(detail, code="not_with_incremental")
    algorithm = _continued_algorithm(spec, training)
    return replace(spec, algorithm=algorithm, roles=parent.roles, parent=training.bundle, rows=rows)


def _without_type(column: RequestColumn) -> RequestColumn:
    """Return the column without its type, which in the dataset is another than in the model that reads it."""
    return column.model_copy(update={"data_type": None})


def check_schema(rows: ModelRows, dataset: Contract) -> None:
    """Refuse rows without a column of the model, or in which one has become another.

    Args:
        rows: the rows as the model reads them.
        dataset: how the dataset itself reads them.

    Raises:
        Conflict: `schema_changed`, with the differences.
    """
    changes = [f"{name!r} is missing" for name in rows.missing()]
    changes += list_foreign_types(rows.contract, dataset)
    changes = changes or _list_changed_values(rows, dataset)
    if changes:
        detail = f"The dataset does not have the model's columns: {join_differences(changes)}."
        raise Conflict(detail, code="schema_changed")


def _list_changed_values(rows: ModelRows, dataset: Contract) -> list[str]:
    """Return the columns of another type in the dataset of which too few of the first values fit the model."""
    own = {column.name: column.data_type for column in dataset.columns}
    return [
        f"{column.name!r} is {own[column.name]}, it was {column.data_type}: {example}"
        for column in rows.contract.columns
        if own.get(column.name, column.data_type) is not column.data_type
        and (example := rows.find_misfit(column.name, _MAX_MISFITS)) is not None
    ]


def check_classes(values: pa.ChunkedArray, parent: Parent) -> None:
    """Refuse rows whose target has values that the model has no class for.

    Raises:
        Conflict: `new_class`, with the first of these values.
    """
    classes = (parent.training.summary or {}).get("classes")
    if not classes:
        return
    target = parent.training.target
    new = sorted(to_label(value) for value in values.drop_null().unique().to_pylist() if value not in classes)
    if new:
        names = ", ".join(repr(name) for name in new[:_MAX_SHOWN]) + (", …" if len(new) > _MAX_SHOWN else "")
        detail = f"The target {target!r} has values that are no class of the model: {names}. Train a new version."
        raise Conflict(detail, code="new_class")


def _continued_algorithm(spec: TrainSpec, parent: Training) -> str:
    """Return the algorithm of the parent, or for a blend of several the one that was requested for it."""
    candidates = (parent.algorithm or "", parent.requested_algorithm)
    algorithm = next((name for name in candidates if name in get_args(Algorithm)), "auto")
    if spec.algorithm not in ("auto", algorithm):
        detail = f"The model is of the algorithm {parent.algorithm}; a continuation cannot be of another one."
        raise Conflict(detail, code="algorithm_changed")
    return algorithm


def _roles_changed(differences: list[str]) -> Conflict:
    detail = (
        "A continuation has the model's own roles; leave columns empty, or correct them: "
        f"{join_differences(differences)}."
    )
    return Conflict(detail, code="roles_changed")
