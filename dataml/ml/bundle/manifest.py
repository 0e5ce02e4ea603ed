"""What a bundle says about itself, and the proof that its files are the ones that were written."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from dataml.contract.types import DataType
from dataml.errors import DatamlError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"


class BundleDamaged(DatamlError):
    """A bundle's files are not what its manifest says; train again or restore them from a backup."""

    status = 503
    default_code = "bundle_damaged"


@dataclass(frozen=True)
class FileRecord:
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Rows:
    """Counts of rows: `total` in the dataset, of which `without_target` were left out, and the parts of the rest. With
    several `folds`, those of `validation` were learned from, too, but by other models than the one that judged them."""

    total: int
    without_target: int
    train: int
    validation: int
    test: int
    folds: int = 1


@dataclass(frozen=True)
class MemberRecord:
    """One booster of a predictor; the weights of all add up to 1. `params` is what its library was given."""

    algorithm: str
    weight: float
    best_iteration: int
    params: dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """Everything about a trained predictor but its trees.

    `algorithm` is that of its only member, or "Blend"; `best_iteration` and `params` are those of the heaviest member.

    `classes` are of the target's own type, in the order of probabilities and of the confusion matrix, None for a
    regression; with two of them the second is the positive one. `metrics` and `confusion_matrix` are from the held-out
    rows, `candidates` are the validation scores the algorithm was chosen by. `onnx` says whether there is an ONNX copy,
    how far it is from the native model at most, and why there is none. `created_at` is ISO 8601 UTC. `warnings` are
    about the data; `comparison` is with the version that an incremental training has continued; `tuning` is the search
    for hyperparameters, trial by trial. Of a Forecast, `forecast` has frequency, horizon, windows and what chose the
    members, whose weights are means over the series.
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
    rows: Rows
    best_iteration: int
    params: dict[str, Any]
    validation_metric: str
    candidates: dict[str, float]
    onnx: dict[str, Any]
    versions: dict[str, str]
    created_at: str
    members: tuple[MemberRecord, ...]
    calibration: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    comparison: dict[str, Any] | None = None
    tuning: dict[str, Any] | None = None
    forecast: dict[str, Any] | None = None
    files: dict[str, FileRecord] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """`to_json` without the file hashes."""
        return {name: value for name, value in self.to_json().items() if name != "files"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        classes = data["classes"]
        converted = {
            "target_type": DataType(data["target_type"]),
            "classes": None if classes is None else tuple(classes),
            "rows": Rows(**data["rows"]),
            "members": tuple(MemberRecord(**record) for record in _members(data)),
            "warnings": tuple(data.get("warnings", ())),
            "files": {name: FileRecord(**record) for name, record in data["files"].items()},
        }
        return cls(**(dict(data) | converted))


def _members(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bundles that were written when a predictor was always one booster do not list it."""
    names = ("algorithm", "best_iteration", "params")
    return data.get("members") or [{"weight": 1.0} | {name: data[name] for name in names}]


def write_files(directory: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Manifest:
    """Write `files` and the manifest that names them as the new `directory`: all of it appears at once, or nothing."""
    records = {name: FileRecord(_sha256(content), len(content)) for name, content in files.items()}
    complete = replace(manifest, files=records)
    staging = directory.with_name(f".{directory.name}.{uuid.uuid4().hex}")
    staging.mkdir(parents=True)
    try:
        for name, content in files.items():
            _write(staging / name, content)
        _write(staging / MANIFEST, dump(complete.to_json()))
        if directory.exists():  # an earlier, abandoned run of the same attempt
            shutil.rmtree(directory)
        staging.rename(directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return complete


def read_manifest(directory: Path) -> Manifest:
    """Raises BundleDamaged when it is absent, unreadable or of a format this version does not know."""
    try:
        data = json.loads((directory / MANIFEST).read_bytes())
        version = data["format_version"]
        manifest = Manifest.from_json(data) if version == FORMAT_VERSION else None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BundleDamaged("The model's manifest is missing or cannot be read.") from error
    if manifest is None:
        raise BundleDamaged(f"The model's bundle has format {version}; this version reads format {FORMAT_VERSION}.")
    return manifest


def read_file(directory: Path, manifest: Manifest, name: str) -> bytes:
    """The content of a bundle's file, equal to what was written, or BundleDamaged."""
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


def dump(value: object) -> bytes:
    """Strict JSON: a NaN in it is an error of ours."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
