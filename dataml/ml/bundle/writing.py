"""Writing a trained predictor as a bundle."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from dataml.contract.contract import Contract
from dataml.contract.types import DataType
from dataml.contract.warnings import DataWarning
from dataml.ml.boosters.onnx_model import OnnxConversion, convert_to_onnx
from dataml.ml.bundle.manifest import (
    BLEND,
    CONTRACT_FILE,
    PREPROCESS_FILE,
    REPORT_FILE,
    Manifest,
    MemberRecord,
    RowCounts,
    onnx_file,
    to_json_bytes,
    write_files,
)
from dataml.ml.evaluation.evaluate import Evaluation
from dataml.ml.feature_ranges import Range
from dataml.ml.preprocessing import Preprocessing
from dataml.ml.training.model_selection import Selection

_LIBRARIES: Final = ("numpy", "pyarrow", "xgboost", "lightgbm", "onnxruntime")
_MAX_VERIFIED_ROWS: Final = 1_000


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from: what was predicted from which columns, and how the rows were split."""

    problem_type: str
    target: str
    target_type: DataType
    classes: tuple[Any, ...] | None
    positive_class: Any
    roles: dict[str, str]
    seed: int
    split: str
    rows: RowCounts
    feature_ranges: dict[str, Range] | None = None
    warnings: tuple[DataWarning, ...] = ()
    comparison: dict[str, Any] | None = None
    tuning: dict[str, Any] | None = None
    limited_candidates: dict[str, str] = field(default_factory=dict)


def write_bundle(
    directory: Path,
    selection: Selection,
    preprocessing: Preprocessing,
    contract: Contract,
    provenance: Provenance,
    evaluation: Evaluation,
    sample: np.ndarray,
) -> Manifest:
    """Write the bundle as the new folder `directory`, whole or not at all.

    Args:
        directory: the folder to make.
        selection: the models that predict together.
        preprocessing: how values become the numbers that the models read.
        contract: every column that has a role.
        provenance: where the model comes from.
        evaluation: scores on the held-out rows.
        sample: real encoded rows (rows, width), of which up to 1,000 verify the ONNX copies.
    """
    models = [member.fitted.model for member in selection.members]
    copies = [convert_to_onnx(model, sample[:_MAX_VERIFIED_ROWS], provenance.seed) for model in models]
    manifest = _describe(selection, preprocessing, contract, provenance, evaluation, copies)
    files = {
        CONTRACT_FILE: to_json_bytes(contract.to_json()),
        PREPROCESS_FILE: to_json_bytes(preprocessing.to_json()),
        REPORT_FILE: to_json_bytes(dict(evaluation.details)),
    }
    for record, model, copy in zip(manifest.members, models, copies, strict=True):
        files[record.file] = model.to_bytes()
        if copy.content is not None:
            files[onnx_file(manifest, record)] = copy.content
    return write_files(directory, manifest, files)


def _describe(
    selection: Selection,
    preprocessing: Preprocessing,
    contract: Contract,
    provenance: Provenance,
    evaluation: Evaluation,
    copies: list[OnnxConversion],
) -> Manifest:
    """Return the manifest, without its files."""
    heaviest = selection.members[0].fitted
    task = heaviest.model.task
    algorithm = heaviest.algorithm if len(selection.members) == 1 else BLEND
    members = _member_records(selection)
    has_catboost = any(member.algorithm == "CatBoost" for member in members)
    libraries = (*_LIBRARIES, "catboost") if has_catboost else _LIBRARIES
    return Manifest(
        algorithm=algorithm,
        model=f"{algorithm}{'Regressor' if task.is_regression else 'Classifier'}",
        problem_type=provenance.problem_type,
        target=provenance.target,
        target_type=provenance.target_type,
        classes=provenance.classes,
        positive_class=provenance.positive_class,
        average=evaluation.details.get("average"),
        roles=provenance.roles,
        dropped_features=preprocessing.dropped,
        accuracy=evaluation.accuracy,
        metrics=dict(evaluation.metrics),
        confusion_matrix=evaluation.confusion_matrix,
        seed=provenance.seed,
        split=provenance.split,
        rows=provenance.rows,
        best_iteration=heaviest.best_iteration,
        params=heaviest.params,
        validation_metric=task.metric,
        candidates=selection.candidates,
        onnx=_summarize(copies),
        versions={name: version(name) for name in libraries},
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        members=members,
        calibration=selection.calibration.to_json() if selection.calibration else None,
        feature_ranges=provenance.feature_ranges,
        warnings=provenance.warnings,
        comparison=provenance.comparison,
        tuning=provenance.tuning,
        target_scaling=selection.scaling.to_json(),
        limited_candidates=provenance.limited_candidates,
    )


def _member_records(selection: Selection) -> tuple[MemberRecord, ...]:
    counts: Counter[str] = Counter()
    records: list[MemberRecord] = []
    for member in selection.members:
        fitted = member.fitted
        counts[fitted.algorithm] += 1
        number = counts[fitted.algorithm]
        log_offset = fitted.model.log_offset
        records.append(
            MemberRecord(
                fitted.algorithm,
                member.weight,
                fitted.best_iteration,
                fitted.params,
                member.name,
                number,
                log_offset,
            )
        )
    return tuple(records)


def _summarize(copies: list[OnnxConversion]) -> dict[str, Any]:
    differences = [copy.difference for copy in copies if copy.difference is not None]
    return {
        "used": all(copy.content is not None for copy in copies),
        "largest_difference": max(differences, default=None),
        "reason": next((copy.reason for copy in copies if copy.reason), None),
    }
