"""The data of what every report has: its header, how the model was trained, and what else is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dataml.contract.warnings import DataWarning, warnings_from_json
from dataml.ml.labels import to_label
from dataml.ml.report.metrics import read_context
from dataml.ml.report.values import FieldsValue, display_fields, is_empty

# What a section of its own, or a line of the training details, shows.
_SHOWN_ELSEWHERE: Final = frozenset(
    {
        *("predictor_name", "version", "train_id", "dataset", "domain", "created_by", "created_at", "problem_type"),
        *("target", "target_type", "classes", "positive_class", "average", "algorithm", "model", "accuracy"),
        *("metrics", "confusion_matrix", "threshold", "threshold_criterion"),
        *("rows", "warnings", "split", "seed", "candidates", "validation_metric", "best_iteration", "params", "roles"),
        *("dropped_features", "versions", "onnx", "format_version", "files"),
    }
)


@dataclass(frozen=True)
class ModelDetails:
    """What the layout of a report shows of a model, apart from its evaluation.

    Fields of type Any hold what a manifest's JSON has, None or empty when it has nothing. `other` are fields of the
    manifest that this version of the report does not know.
    """

    predictor_name: str | None
    version: int
    model: str | None
    target: str | None
    target_type: str | None
    domain: str | None
    created_at: str | None
    created_by: str | None
    train_id: int | None
    dataset: str | None
    problem_type: str | None
    classes: tuple[str, ...]
    positive_class: str | None
    best_iteration: int | None
    validation_metric: str
    candidates: Any
    rows: dict[str, Any]
    split: Any
    seed: int | None
    columns_by_role: dict[str, list[str]]
    dropped_features: Any
    params: Any
    onnx: Any
    versions: Any
    warnings: tuple[DataWarning, ...]
    other: FieldsValue


def read_model_details(summary: Mapping[str, Any]) -> ModelDetails:
    """Return the details of a model from its manifest's summary, any part of which may be absent."""
    return ModelDetails(
        predictor_name=summary.get("predictor_name"),
        version=summary.get("version") or 1,
        model=summary.get("model") or summary.get("algorithm"),
        target=summary.get("target"),
        target_type=summary.get("target_type"),
        domain=summary.get("domain"),
        created_at=summary.get("created_at"),
        created_by=summary.get("created_by"),
        train_id=summary.get("train_id"),
        dataset=summary.get("dataset"),
        problem_type=summary.get("problem_type"),
        classes=tuple(to_label(each) for each in summary.get("classes") or []),
        positive_class=read_context(summary).positive_class,
        best_iteration=summary.get("best_iteration"),
        validation_metric=_spell(summary.get("validation_metric") or "score"),
        candidates=summary.get("candidates"),
        rows={_spell(name): count for name, count in (summary.get("rows") or {}).items()},
        split=summary.get("split"),
        seed=summary.get("seed"),
        columns_by_role=_group_by_role(summary.get("roles") or {}),
        dropped_features=summary.get("dropped_features"),
        params=summary.get("params"),
        onnx=summary.get("onnx"),
        versions=summary.get("versions"),
        warnings=warnings_from_json(summary.get("warnings")),
        other=_read_other(summary),
    )


def _group_by_role(roles: Mapping[str, Any]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for column, role in roles.items():
        columns.setdefault(str(role), []).append(column)
    return columns


def _read_other(summary: Mapping[str, Any]) -> FieldsValue:
    others = {_spell(name): value for name, value in summary.items() if name not in _SHOWN_ELSEWHERE}
    return display_fields((name, value) for name, value in others.items() if not is_empty(value) and value != "")


def _spell(name: object) -> str:
    """Return the name of a JSON field as words."""
    return str(name).replace("_", " ")
