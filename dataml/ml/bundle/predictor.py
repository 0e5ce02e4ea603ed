"""The predictor that a bundle is loaded into."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pyarrow as pa

from dataml.contract.contract import Contract
from dataml.contract.warnings import DataWarning
from dataml.ml.boosters.hyperparameters import available_algorithms
from dataml.ml.boosters.native_model import NativeModel, Task
from dataml.ml.boosters.onnx_model import OnnxModel
from dataml.ml.bundle.manifest import (
    CONTRACT_FILE,
    FEATURE_ROLES,
    PREPROCESS_FILE,
    Manifest,
    MemberRecord,
    onnx_file,
    read_file,
    read_manifest,
)
from dataml.ml.explanation.shap_values import row_contributions
from dataml.ml.input_checks import InputChecks, find_boolean_texts
from dataml.ml.labels import to_label
from dataml.ml.preprocessing import Preprocessing
from dataml.ml.target_scaling import TargetScaling
from dataml.ml.training.blending import combine_predictions
from dataml.ml.training.calibration import Calibration

_ROWS_PER_THREAD: Final = 2_000


class RowPrediction(NamedTuple):
    """The prediction of one row.

    `prediction` has the target's own type (a float for any regression). For classes `probability` is that of the
    predicted one, and `probabilities` has those of all by their label (`true` and `false` for booleans).
    """

    prediction: bool | int | float | str
    probability: float | None
    probabilities: dict[str, float] | None


class InputRow(NamedTuple):
    """One row as the numbers that the model reads; `warnings` is None where there are none."""

    encoded: list[float]
    warnings: list[DataWarning] | None


class Predictor:
    """A bundle ready to predict. Safe to share between threads."""

    def __init__(self, directory: Path, manifest: Manifest, threads: int) -> None:
        self.manifest = manifest
        self._directory = directory
        self._threads = threads
        whole = Contract.from_json(self._read_json(CONTRACT_FILE))
        features = [name for name in whole.names if manifest.roles.get(name) in FEATURE_ROLES]
        self.contract = whole.select(features)
        self.ignored_columns = frozenset(name for name in manifest.roles if name not in features)
        self.preprocessing = Preprocessing.from_json(self._read_json(PREPROCESS_FILE))
        self.input_checks = InputChecks(self.preprocessing.layout, manifest.feature_ranges)
        self.boolean_texts = find_boolean_texts(self.preprocessing.layout)
        self.scaling = TargetScaling.from_json(manifest.target_scaling)
        self._labels = None if manifest.classes is None else tuple(to_label(value) for value in manifest.classes)
        self._weights = [member.weight for member in manifest.members]
        self._calibration = Calibration.from_json(manifest.calibration) if manifest.calibration else None
        self._native_models: dict[str, NativeModel] = {}
        self._runtimes = [self._load_runtime(member) for member in manifest.members]

    @classmethod
    def load(cls, directory: Path, threads: int = 1) -> Self:
        """Verify every file and load the model. `threads` are used by `predict_table` only.

        Raises:
            BundleDamaged: a file is absent or was changed (503 `bundle_damaged`).
        """
        manifest = read_manifest(directory)
        for member in manifest.members:
            read_file(directory, manifest, member.file)  # used later, if at all, but refused now
        return cls(directory, manifest, threads)

    @staticmethod
    def preload(any_model: bool = False) -> None:
        """Import what the first prediction needs; with `any_model` also what models without an ONNX copy need."""
        import onnxruntime  # noqa: F401

        if any_model and "CatBoost" in available_algorithms():
            import catboost  # noqa: F401

    @property
    def task(self) -> Task:
        """What is predicted: a number, or one of how many classes."""
        return Task(len(self.manifest.classes or ()))

    @cached_property
    def members(self) -> tuple[tuple[NativeModel, float], ...]:
        """The boosters and their weights, which add up to 1: several when a blend of them predicts.

        They are loaded at the first access. Those of a regression predict the target after `scaling`.
        """
        return tuple((self._load_native(member), member.weight) for member in self.manifest.members)

    @property
    def native(self) -> NativeModel:
        """The booster itself, or the heaviest one."""
        return self.members[0][0]

    @property
    def positive_label(self) -> str | None:
        """The label of the positive one of two classes; None where there are not two."""
        labels = self._labels
        return labels[self.manifest.positive_code] if labels is not None and len(labels) == 2 else None

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns with role Id, in the order of the contract."""
        return tuple(name for name, role in self.manifest.roles.items() if role == "Id")

    @property
    def probability_columns(self) -> tuple[str, ...]:
        """The names of the probabilities in the result of `predict_table`, in the order of the classes."""
        return tuple(f"probability_{label}" for label in self._labels or ())

    def parse(self, features: Mapping[str, object]) -> list[float]:
        """Return one row of JSON values or form fields as the numbers that the model reads.

        Id, Ignore and target columns are ignored.

        Raises:
            InvalidFields: features are wrong, missing or unknown; it names each of them.
        """
        return self.read_row(features).encoded

    def read_row(self, features: Mapping[str, object]) -> InputRow:
        """Return what `parse` does, and warnings about values that the training has not seen. Raises as `parse`."""
        if not self.ignored_columns.isdisjoint(features):
            features = {name: value for name, value in features.items() if name not in self.ignored_columns}
        for name, texts in self.boolean_texts.items():
            value = features.get(name)
            if isinstance(value, bool):
                features = {**features, name: texts[value]}
        values = self.contract.parse_row(features)
        return InputRow(self.preprocessing.transform_row(values), self.input_checks.check_row(values))

    def predict(self, rows: Sequence[Sequence[float]]) -> list[RowPrediction]:
        """Predict rows that `parse` made."""
        scores = self._predict_matrix(np.array(rows, dtype=np.float32)).tolist()
        labels, classes = self._labels, self.manifest.classes
        if labels is None or classes is None:
            return [RowPrediction(score, None, None) for score in scores]
        predictions = []
        for row in scores:
            best = max(row)
            predictions.append(RowPrediction(classes[row.index(best)], best, dict(zip(labels, row, strict=True))))
        return predictions

    def decide(self, prediction: RowPrediction, threshold: float) -> RowPrediction:
        """Return a prediction of two classes with the class that the threshold decides.

        That is the positive class where its probability reaches the threshold, else the other one. `threshold` is as
        `ml.decision_threshold` has it; the probabilities stay.
        """
        classes, probabilities = self.manifest.classes, prediction.probabilities
        assert classes is not None
        assert probabilities is not None
        scores, positive = tuple(probabilities.values()), self.manifest.positive_code
        code = positive if scores[positive] >= threshold else 1 - positive
        return RowPrediction(classes[code], scores[code], probabilities)

    def predict_table(self, table: pa.Table, threshold: float | None = None) -> pa.Table:
        """Predict every row of a table of the features, in their contract's Arrow types.

        Args:
            table: the rows.
            threshold: as for `decide`; None for the more probable class, and for models without two classes.

        Returns:
            Column `prediction` (the target's type; float64 for a regression) and, for classes, `probability_columns`
            (float64).
        """
        scores = self.predict_matrix(self.preprocessing.transform(table)).astype(np.float64)
        classes = self.manifest.classes
        if classes is None:
            return pa.table({"prediction": scores})
        codes = scores.argmax(axis=1)
        if threshold is not None:
            positive = self.manifest.positive_code
            codes = np.where(scores[:, positive] >= threshold, positive, 1 - positive)
        predicted = pa.array(classes, self.manifest.target_type.arrow).take(pa.array(codes))
        columns = {name: scores[:, i] for i, name in enumerate(self.probability_columns)}
        return pa.table({"prediction": predicted, **columns})

    def explain(self, row: Sequence[float]) -> dict[str, float]:
        """Return what each feature adds to the prediction of a row that `parse` made, largest effect first.

        The effects are on the number, on the log-odds of the second of two classes, or on the score of the predicted
        one of several.
        """
        matrix = np.array([row], dtype=np.float32)
        output = 0 if self.task.is_regression else int(self._predict_matrix(matrix)[0].argmax())
        return row_contributions(self.members, self.preprocessing, matrix, output, self.scaling.scale)

    def predict_matrix(self, matrix: np.ndarray) -> np.ndarray:
        """Return numbers (rows,) or probabilities (rows, classes) of encoded rows.

        ONNX sessions are called by several threads at once; the native libraries bring their own threads.
        """
        parts = min(self._threads, max(1, len(matrix) // _ROWS_PER_THREAD))
        if parts == 1 or any(isinstance(runtime, NativeModel) for runtime in self._runtimes):
            return self._predict_matrix(matrix)
        with ThreadPoolExecutor(parts) as pool:
            return np.concatenate(list(pool.map(self._predict_matrix, np.array_split(matrix, parts))))

    def _predict_matrix(self, matrix: np.ndarray) -> np.ndarray:
        predictions = [runtime.predict(matrix) for runtime in self._runtimes]
        return self.scaling.restore(combine_predictions(predictions, self._weights, self._calibration))

    def _load_native(self, member: MemberRecord) -> NativeModel:
        if member.file in self._native_models:
            return self._native_models[member.file]
        content = read_file(self._directory, self.manifest, member.file)
        categorical = self.preprocessing.categorical
        model = NativeModel.from_bytes(member.algorithm, self.task, content, categorical, self._threads)
        self._native_models[member.file] = replace(model, log_offset=member.log_offset)
        return self._native_models[member.file]

    def _load_runtime(self, member: MemberRecord) -> OnnxModel | NativeModel:
        name = onnx_file(self.manifest, member)
        if name in self.manifest.files:
            return OnnxModel(read_file(self._directory, self.manifest, name), member.log_offset)
        return self._load_native(member)

    def _read_json(self, name: str) -> dict[str, Any]:
        return json.loads(read_file(self._directory, self.manifest, name))
