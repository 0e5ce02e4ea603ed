"""A trained predictor as a folder of plain files (never pickle), and the predictor that a folder becomes again.

manifest.json    what it is, how well it scored, the SHA-256 of every other file
contract.json    the columns it was trained on
preprocess.json  how their values become numbers
report.json      how well it predicts, in detail
model.ubj | .txt | .cbm  the booster in its library's own format (several when a blend of them predicts)
model.onnx       the same trees for ONNX Runtime, only if proven equal (model.<algorithm>.onnx of a blend)
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa

from dataml.contract.contract import Contract
from dataml.ml.boosters.hyperparameters import available
from dataml.ml.boosters.native import NativeModel, Task
from dataml.ml.boosters.onnx_model import OnnxCopy, OnnxModel, convert
from dataml.ml.bundle.manifest import (
    BundleDamaged,
    Manifest,
    MemberRecord,
    Rows,
    dump,
    read_file,
    read_manifest,
    write_files,
)
from dataml.ml.evaluation.evaluation import Evaluation
from dataml.ml.explanation.shap_values import row_contributions
from dataml.ml.features import Preprocessing
from dataml.ml.training.calibration import Calibration
from dataml.ml.training.selection import Selection, combined

__all__ = ["BundleDamaged", "Manifest", "Prediction", "Predictor", "Provenance", "write_bundle"]

CONTRACT, PREPROCESS, ONNX, REPORT = "contract.json", "preprocess.json", "model.onnx", "report.json"
NATIVE: dict[str, str] = {"XGBoost": "model.ubj", "LightGBM": "model.txt", "CatBoost": "model.cbm"}
BLEND = "Blend"
FEATURE_ROLES = ("Feature", "Time")
_LIBRARIES = ("numpy", "pyarrow", "xgboost", "lightgbm", "onnxruntime")
_SAMPLE_ROWS = 1_000
_ROWS_PER_THREAD = 2_000


class Prediction(NamedTuple):
    """`prediction` has the target's own type (a float for any regression); for classes `probability` is that of the
    predicted one and `probabilities` those of all, by their text (`true` and `false` for booleans)."""

    prediction: bool | int | float | str
    probability: float | None
    probabilities: dict[str, float] | None


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from: what was predicted from which columns, and how the rows were split."""

    problem_type: str
    target: str
    classes: tuple[Any, ...] | None
    roles: dict[str, str]
    seed: int
    split: str
    rows: Rows
    warnings: tuple[str, ...] = ()
    comparison: dict[str, Any] | None = None
    tuning: dict[str, Any] | None = None


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

    `contract` has every column that has a role; `sample` (rows, width) are real encoded rows, of which up to 1,000
    prove the ONNX copies.
    """
    first = selection.members[0].fitted
    models = [member.fitted.model for member in selection.members]
    copies = {model.algorithm: convert(model, sample[:_SAMPLE_ROWS], provenance.seed) for model in models}
    algorithm = first.algorithm if len(selection.members) == 1 else BLEND
    manifest = Manifest(
        algorithm=algorithm,
        model=f"{algorithm}{'Regressor' if first.model.task.is_regression else 'Classifier'}",
        problem_type=provenance.problem_type,
        target=provenance.target,
        target_type=contract.column(provenance.target).data_type,
        classes=provenance.classes,
        roles=provenance.roles,
        dropped_features=preprocessing.dropped,
        accuracy=evaluation.accuracy,
        metrics=dict(evaluation.metrics),
        confusion_matrix=evaluation.confusion_matrix,
        seed=provenance.seed,
        split=provenance.split,
        rows=provenance.rows,
        best_iteration=first.best_iteration,
        params=first.params,
        validation_metric=first.model.task.metric,
        candidates=selection.candidates,
        onnx=_onnx_summary(list(copies.values())),
        versions={name: version(name) for name in _libraries(copies)},
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        members=tuple(
            MemberRecord(m.fitted.algorithm, m.weight, m.fitted.best_iteration, m.fitted.params)
            for m in selection.members
        ),
        calibration=selection.calibration.to_json() if selection.calibration else None,
        warnings=provenance.warnings,
        comparison=provenance.comparison,
        tuning=provenance.tuning,
    )
    files = {
        CONTRACT: dump(contract.to_json()),
        PREPROCESS: dump(preprocessing.to_json()),
        REPORT: dump(dict(evaluation.details)),
        **{NATIVE[m.fitted.algorithm]: m.fitted.model.to_bytes() for m in selection.members},
    }
    files |= {_onnx_name(manifest, name): copy.content for name, copy in copies.items() if copy.content is not None}
    return write_files(directory, manifest, files)


def _onnx_name(manifest: Manifest, algorithm: str) -> str:
    return ONNX if len(manifest.members) < 2 else f"model.{algorithm.lower()}.onnx"


def _onnx_summary(copies: list[OnnxCopy]) -> dict[str, Any]:
    differences = [copy.difference for copy in copies if copy.difference is not None]
    return {
        "used": all(copy.content is not None for copy in copies),
        "largest_difference": max(differences, default=None),
        "reason": next((copy.reason for copy in copies if copy.reason), None),
    }


def _libraries(algorithms: Mapping[str, OnnxCopy]) -> tuple[str, ...]:
    return (*_LIBRARIES, "catboost") if "CatBoost" in algorithms else _LIBRARIES


class Predictor:
    """A bundle ready to predict. Safe to share between threads."""

    def __init__(self, directory: Path, manifest: Manifest, threads: int) -> None:
        self.manifest = manifest
        self._directory = directory
        self._threads = threads
        whole = Contract.from_json(self._read_json(CONTRACT))
        features = [name for name in whole.names if manifest.roles.get(name) in FEATURE_ROLES]
        self.contract = whole.select(features)
        self.accepted = frozenset(name for name in manifest.roles if name not in features)
        self.preprocessing = Preprocessing.from_json(self._read_json(PREPROCESS))
        self._class_names = None if manifest.classes is None else tuple(class_name(c) for c in manifest.classes)
        self._weights = [member.weight for member in manifest.members]
        self._calibration = Calibration.from_json(manifest.calibration) if manifest.calibration else None
        self._loaded: dict[str, NativeModel] = {}
        self._engines = [self._engine(number) for number in range(len(manifest.members))]

    @classmethod
    def load(cls, directory: Path, threads: int = 1) -> Self:
        """Verify every file and load the model. `threads` are used by `predict_table` only.

        Raises BundleDamaged (503 `bundle_damaged`) when a file is absent or was changed.
        """
        manifest = read_manifest(directory)
        for member in manifest.members:
            read_file(directory, manifest, NATIVE[member.algorithm])  # used later, if at all, but refused now
        return cls(directory, manifest, threads)

    @staticmethod
    def warm(any_model: bool = False) -> None:
        """Import what the first prediction needs; of `any_model`, what models without an ONNX copy need, too."""
        import onnxruntime  # noqa: F401

        if any_model and "CatBoost" in available():
            import catboost  # noqa: F401

    @property
    def task(self) -> Task:
        return Task(len(self.manifest.classes or ()))

    @cached_property
    def members(self) -> tuple[tuple[NativeModel, float], ...]:
        """The boosters and their weights, which add up to 1: several when a blend of them predicts. Loaded when first
        asked for."""
        return tuple((self._native(member.algorithm), member.weight) for member in self.manifest.members)

    @property
    def native(self) -> NativeModel:
        """The booster itself, or the heaviest one."""
        return self.members[0][0]

    def _native(self, algorithm: str) -> NativeModel:
        if algorithm in self._loaded:
            return self._loaded[algorithm]
        content = read_file(self._directory, self.manifest, NATIVE[algorithm])
        model = NativeModel.from_bytes(algorithm, self.task, content, self.preprocessing.categorical, self._threads)
        self._loaded[algorithm] = model
        return model

    def _engine(self, number: int) -> OnnxModel | NativeModel:
        algorithm = self.manifest.members[number].algorithm
        name = _onnx_name(self.manifest, algorithm)
        if name in self.manifest.files:
            return OnnxModel(read_file(self._directory, self.manifest, name))
        return self._native(algorithm)

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns with role Id, in the order of the contract."""
        return tuple(name for name, role in self.manifest.roles.items() if role == "Id")

    @property
    def probability_columns(self) -> tuple[str, ...]:
        """What `predict_table` calls the probabilities, in the order of the classes."""
        return tuple(f"probability_{name}" for name in self._class_names or ())

    def parse(self, features: Mapping[str, object]) -> list[float]:
        """One row of JSON values or form fields, as the numbers the model reads.

        Raises InvalidFields naming each wrong, missing or unknown feature; Id, Ignore and target columns are let pass.
        """
        if not self.accepted.isdisjoint(features):
            features = {name: value for name, value in features.items() if name not in self.accepted}
        return self.preprocessing.row(self.contract.parse_row(features))

    def predict(self, rows: Sequence[Sequence[float]]) -> list[Prediction]:
        """Predict rows that `parse` made."""
        scores = self._predicted(np.array(rows, dtype=np.float32)).tolist()
        names, classes = self._class_names, self.manifest.classes
        if names is None or classes is None:
            return [Prediction(score, None, None) for score in scores]
        predictions = []
        for row in scores:
            best = max(row)
            predictions.append(Prediction(classes[row.index(best)], best, dict(zip(names, row, strict=True))))
        return predictions

    def predict_table(self, table: pa.Table) -> pa.Table:
        """Predict every row of a table of the features, in their contract's Arrow types.

        Columns `prediction` (the target's type; float64 for a regression) and, for classes, `probability_columns`
        (float64).
        """
        scores = self.scores(self.preprocessing.matrix(table)).astype(np.float64)
        classes = self.manifest.classes
        if classes is None:
            return pa.table({"prediction": scores})
        chosen = pa.array(classes, self.manifest.target_type.arrow).take(pa.array(scores.argmax(axis=1)))
        columns = {name: scores[:, i] for i, name in enumerate(self.probability_columns)}
        return pa.table({"prediction": chosen, **columns})

    def explain(self, row: Sequence[float]) -> dict[str, float]:
        """What each feature adds to the prediction of a row that `parse` made, largest effect first: to the number, to
        the log-odds of the second of two classes, or to the score of the predicted one of several."""
        matrix = np.array([row], dtype=np.float32)
        chosen = 0 if self.task.is_regression else int(self._predicted(matrix)[0].argmax())
        return row_contributions(self.members, self.preprocessing, matrix, chosen)

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        """Numbers (rows,) or probabilities (rows, classes) of encoded rows, by several sessions' calls at once; the
        native libraries bring their own threads."""
        parts = min(self._threads, max(1, len(matrix) // _ROWS_PER_THREAD))
        if parts == 1 or any(isinstance(engine, NativeModel) for engine in self._engines):
            return self._predicted(matrix)
        with ThreadPoolExecutor(parts) as pool:
            return np.concatenate(list(pool.map(self._predicted, np.array_split(matrix, parts))))

    def _predicted(self, matrix: np.ndarray) -> np.ndarray:
        return combined([engine.predict(matrix) for engine in self._engines], self._weights, self._calibration)

    def _read_json(self, name: str) -> dict[str, Any]:
        content = read_file(self._directory, self.manifest, name)
        return json.loads(content)


def class_name(value: object) -> str:
    """A class as text, the way JSON writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
