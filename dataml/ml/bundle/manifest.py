"""The manifest of a bundle, and its files, which are verified against it.

A bundle is a folder of plain files, never pickle:

    manifest.json    what the model is, how well it scored, the SHA-256 of every other file
    contract.json    the columns it was trained on
    preprocess.json  how their values become numbers
    report.json      how well it predicts, in detail
    model.ubj | .txt | .cbm  the booster in its library's own format (several when a blend of them predicts, the
                     second one of an algorithm as model-2.txt)
    model.onnx       the same trees for ONNX Runtime, only if proven equal (model.<algorithm>.onnx of a blend, the
                     second one of an algorithm as model-2.<algorithm>.onnx)
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from dataml.contract.types import DataType
from dataml.contract.warnings import DataWarning, warnings_from_json, warnings_to_json
from dataml.errors import DatamlError
from dataml.ml.positive_class import resolve_positive_code

FORMAT_VERSION: Final = 1
MANIFEST_FILE: Final = "manifest.json"
CONTRACT_FILE: Final = "contract.json"
PREPROCESS_FILE: Final = "preprocess.json"
REPORT_FILE: Final = "report.json"
MODEL_FILES: Final[dict[str, str]] = {
    "XGBoost": "model.ubj",
    "LightGBM": "model.txt",
    "CatBoost": "model.cbm",
    "Linear": "linear.json",
}
"""The native model file of each algorithm, or of the first of several members that it has."""
FEATURE_ROLES: Final = ("Feature", "Time")
"""Roles of the columns that a model reads."""
BLEND: Final = "Blend"
"""The algorithm of a predictor that has several members."""


class BundleDamaged(DatamlError):
    """A bundle's files are not what its manifest says; train again or restore them from a backup."""

    status = 503
    default_code = "bundle_damaged"


@dataclass(frozen=True)
class FileRecord:
    """Hash and size of one file of a bundle."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class RowCounts:
    """Numbers of rows in a dataset and in the parts it was split into.

    `without_target` of the `total` were left out; the others are in `train`, `validation` or `test`. With several
    `folds`, the rows of `validation` were also trained on, but by other models than the one that they validated.
    """

    total: int
    without_target: int
    train: int
    validation: int
    test: int
    folds: int = 1


@dataclass(frozen=True)
class MemberRecord:
    """One model of a predictor.

    The weights of all members add up to 1. `params` are the parameters that its library was called with. `name` is
    that of the candidate, and `number` counts the members of one algorithm from 1. `log_offset` is that of
    `NativeModel`: it makes numbers of the logarithms that the file predicts. In bundles of earlier versions, and
    in those of forecasts, an algorithm has one member, and no name.
    """

    algorithm: str
    weight: float
    best_iteration: int
    params: dict[str, Any]
    name: str | None = None
    number: int = 1
    log_offset: float | None = None

    @property
    def file(self) -> str:
        """The name of its native model file."""
        return _insert_number(MODEL_FILES[self.algorithm], self.number)


@dataclass(frozen=True)
class Manifest:
    """Everything about a trained predictor but its trees.

    Attributes:
        algorithm: that of the only member, or "Blend".
        classes: values of the target's own type, in the order of probabilities and of the confusion matrix; None for a
            regression.
        positive_class: the one of two classes that the scores are about; None for other models, and in bundles of
            earlier versions, whose scores are of the second class.
        average: how each score combines the classes, see `evaluation.classification.averages`.
        accuracy: from the held-out rows, as are `metrics` and `confusion_matrix`.
        best_iteration: that of the heaviest member, as are `params`.
        candidates: validation scores by name of the candidate, from which the members were chosen.
        onnx: whether there is an ONNX copy, its largest difference from the native model, or why there is no copy.
        created_at: ISO 8601 in UTC.
        feature_ranges: least and largest number of each feature in the training dataset; None in bundles of earlier
            versions, and in those of forecasts.
        warnings: about the data; sentences of earlier versions are notes.
        comparison: scores of the version that an incremental training continued, and of this one.
        tuning: the search for hyperparameters, trial by trial.
        forecast: of a Forecast only: frequency, horizon, windows, and what chose the members, whose weights are means
            over the series.
        target_scaling: `shift` and `scale` of a regression whose boosters predict `(target - shift) / scale`, since
            float32 does not hold the target; None where they predict the target itself.
        limited_candidates: by name of the candidate, why it was left out, or how its time was limited.
    """

    algorithm: str
    model: str
    problem_type: str
    target: str
    target_type: DataType
    classes: tuple[Any, ...] | None
    roles: dict[str, str]
    dropped_features: dict[str, str]
    accuracy: float | None
    metrics: dict[str, float | None]
    confusion_matrix: list[list[int]] | None
    seed: int
    split: str
    rows: RowCounts
    best_iteration: int
    params: dict[str, Any]
    validation_metric: str
    candidates: dict[str, float]
    onnx: dict[str, Any]
    versions: dict[str, str]
    created_at: str
    members: tuple[MemberRecord, ...]
    positive_class: Any = None
    average: dict[str, str] | None = None
    feature_ranges: dict[str, tuple[float, float]] | None = None
    calibration: dict[str, Any] | None = None
    warnings: tuple[DataWarning, ...] = ()
    comparison: dict[str, Any] | None = None
    tuning: dict[str, Any] | None = None
    forecast: dict[str, Any] | None = None
    target_scaling: dict[str, float] | None = None
    limited_candidates: dict[str, str] = field(default_factory=dict)
    files: dict[str, FileRecord] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    @property
    def positive_code(self) -> int:
        """The position in `classes` of the positive one of two classes."""
        return resolve_positive_code(self.classes, self.positive_class)

    def to_json(self) -> dict[str, Any]:
        """Return the content of `manifest.json`."""
        return asdict(self) | {"warnings": warnings_to_json(self.warnings)}

    def summary(self) -> dict[str, Any]:
        """Return `to_json` without the file hashes."""
        return {name: value for name, value in self.to_json().items() if name != "files"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the manifest that `to_json` wrote."""
        classes, ranges = data["classes"], data.get("feature_ranges")
        converted = {
            "target_type": DataType(data["target_type"]),
            "classes": None if classes is None else tuple(classes),
            "rows": RowCounts(**data["rows"]),
            "members": tuple(MemberRecord(**record) for record in _member_records(data)),
            "feature_ranges": None if ranges is None else {name: (low, high) for name, (low, high) in ranges.items()},
            "warnings": warnings_from_json(data.get("warnings")),
            "files": {name: FileRecord(**record) for name, record in data["files"].items()},
        }
        return cls(**(dict(data) | converted))


def _member_records(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the records of the members.

    Bundles that were written when a predictor was always one booster do not list it.
    """
    names = ("algorithm", "best_iteration", "params")
    return data.get("members") or [{"weight": 1.0} | {name: data[name] for name in names}]


def write_files(directory: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Manifest:
    """Write `files` and the manifest that names them as the new `directory`, and return that manifest.

    All of it appears at once, or nothing.
    """
    records = {name: FileRecord(_sha256(content), len(content)) for name, content in files.items()}
    complete = replace(manifest, files=records)
    staging = directory.with_name(f".{directory.name}.{uuid.uuid4().hex}")
    staging.mkdir(parents=True)
    try:
        for name, content in files.items():
            _write_durably(staging / name, content)
        _write_durably(staging / MANIFEST_FILE, to_json_bytes(complete.to_json()))
        if directory.exists():  # an earlier, abandoned run of the same attempt
            shutil.rmtree(directory)
        staging.rename(directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return complete


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a bundle.

    Raises:
        BundleDamaged: it is absent, unreadable or of a format that this version does not know.
    """
    try:
        data = json.loads((directory / MANIFEST_FILE).read_bytes())
        version = data["format_version"]
        manifest = Manifest.from_json(data) if version == FORMAT_VERSION else None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BundleDamaged("The model's manifest is missing or cannot be read.") from error
    if manifest is None:
        raise BundleDamaged(f"The model's bundle has format {version}; this version reads format {FORMAT_VERSION}.")
    return manifest


def read_file(directory: Path, manifest: Manifest, name: str) -> bytes:
    """Read one file of a bundle and verify that it is the one that was written.

    Raises:
        BundleDamaged: the manifest does not name it, or it is absent or was changed.
    """
    record = manifest.files.get(name)
    if record is None:
        raise BundleDamaged(f"The model's manifest does not name '{name}'.")
    try:
        content = (directory / name).read_bytes()
    except OSError as error:
        raise BundleDamaged(f"The model's file '{name}' cannot be read.") from error
    if len(content) != record.size_bytes or _sha256(content) != record.sha256:
        raise BundleDamaged(f"The model's file '{name}' is not the one that was written.")
    return content


def onnx_file(manifest: Manifest, member: MemberRecord) -> str:
    """Return the name of the file that holds the ONNX copy of a member, if there is one."""
    if len(manifest.members) < 2:
        return "model.onnx"
    return _insert_number(f"model.{member.algorithm.lower()}.onnx", member.number)


def _insert_number(file: str, number: int) -> str:
    stem, _, ending = file.partition(".")
    return file if number == 1 else f"{stem}-{number}.{ending}"


def to_json_bytes(value: object) -> bytes:
    """Return strict JSON, indented for readers; a NaN in `value` is a defect of ours and raises ValueError."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
