"""Turns the report of a worker outside the cluster into the result that a worker inside would have sent."""

import asyncio
import logging
import math
import os
import re
import shutil
import stat
import tempfile
import unicodedata
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db.scope import Scope
from dataml.errors import Conflict, FieldError, Invalid, InvalidFields, Unavailable
from dataml.jobs.models import Job
from dataml.jobs.spec import ExplainResult, JobFailure, TrainResult, TrainSpec
from dataml.ml.bundle.manifest import FEATURE_ROLES, MANIFEST_FILE, BundleDamaged, Manifest, read_manifest
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.storage.hashing import hash_file
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage
from dataml.suggestions import describe_unknown
from dataml.train import service
from dataml.train.callbacks.schemas import ExplainReport, TrainOutcome, TrainReport
from dataml.train.models import Training

BUNDLE: Final = "bundle"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
_MAX_ERROR_CHARACTERS: Final = 2_000
_TOLERANCE: Final = 1e-6
log = logging.getLogger(__name__)


async def check_training(session: AsyncSession, scope: Scope, job: Job, report: TrainReport) -> Training:
    """Return the training that a report is about.

    Raises:
        Conflict: `wrong_training`, `wrong_preprocessing`: the report names others than the job's.
    """
    training = await service.get(session, scope, job.subject_id)
    if report.train_id not in (None, training.id):
        raise Conflict(f"The token is for the training {training.id}.", code="wrong_training")
    known = (None, str(training.preprocess_id), f"preprocess-{training.preprocess_id}")
    if report.preprocess_id not in known:
        raise Conflict(f"preprocess_id of this training is {training.preprocess_id}.", code="wrong_preprocessing")
    return training


def resolve_bundle_name(directory: str, outcome: TrainOutcome) -> str:
    """Return the storage name of the bundle of a report: a folder in the attempt's own directory, by default `bundle`.

    Raises:
        Invalid: `path_refused`.
    """
    names = {name for name in (outcome.checkpoint, outcome.path) if name is not None}
    for name in names:
        parent, _, last = name.rpartition("/")
        if parent != directory or not _NAME.fullmatch(last):
            detail = "checkpoint and path are null, or the storage name of a folder in the attempt's own directory."
            raise Invalid(detail, code="path_refused")
    if len(names) > 1:
        raise Invalid("checkpoint and path name two folders; name one.", code="path_refused")
    return names.pop() if names else f"{directory}/{BUNDLE}"


def external_failure(error: str) -> JobFailure:
    """Return the failure that a worker outside reports, without control characters and cut to a maximal length."""
    printable = "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else " " for c in error)
    return JobFailure("external_failure", printable[:_MAX_ERROR_CHARACTERS])


async def import_bundle(storage: Storage, name: str, spec: TrainSpec, outcome: TrainOutcome) -> TrainResult:
    """Copy a reported bundle, verify the copy, and return the result that it stands for.

    The platform keeps the copy, so that nobody outside can change what was verified. The values of the bundle's
    manifest are stored, not those of the report.

    Raises:
        Invalid: `bundle_missing`, `bundle_damaged`, `bundle_does_not_fit`, `metrics_differ`.
        Unavailable: the file store cannot be reached, or is full.
    """
    copy = f"{name.rpartition('/')[0]}/reported-{uuid.uuid4().hex}"
    work = asyncio.to_thread(_import_files, storage, name, copy, spec, outcome)
    (verified,) = await asyncio.gather(work, return_exceptions=True)
    if isinstance(verified, Manifest):
        # Only the worker that compared a continuation with its parent can say that it is better.
        is_promoted = spec.parent is None if outcome.is_promoted is None else outcome.is_promoted
        sha256 = await asyncio.to_thread(hash_file, storage.path(copy) / MANIFEST_FILE)
        return TrainResult.from_manifest(copy, verified, sha256, is_promoted=is_promoted)
    await storage.delete(copy)
    if isinstance(verified, (Invalid, Unavailable)):
        raise verified
    # Any other exception is one that a library raised at a file that it cannot read.
    log.warning("a reported bundle was refused", exc_info=verified)
    detail = verified.detail if isinstance(verified, BundleDamaged) else "Its model cannot be loaded."
    raise Invalid(f"The bundle is not sound: {detail}", code="bundle_damaged")


async def delete_copy(storage: Storage, result: TrainResult) -> None:
    """Delete the copy of a bundle whose report was not accepted."""
    await storage.delete(result.bundle)


async def normalize_importance(session: AsyncSession, scope: Scope, job: Job, report: ExplainReport) -> ExplainResult:
    """Return the reported importance as shares that sum to 1; features that the report leaves out have share 0.

    Raises:
        Conflict: `wrong_training`.
        InvalidFields: `unknown_feature`, `invalid_importance`, naming each.
    """
    training = await service.get(session, scope, job.subject_id)
    if report.training_id != training.id:
        raise Conflict(f"The token is for the training {training.id}.", code="wrong_training")
    preprocessing = await service.get_preprocessing(session, scope, training.preprocess_id)
    contract = preprocessing.parse_contract()
    features = [name for name in contract.names if preprocessing.roles.get(name) in FEATURE_ROLES]
    errors = [error for name, value in report.result.items() if (error := _check_value(name, value, features))]
    if errors:
        codes = {error.code for error in errors}
        raise InvalidFields(errors, code=codes.pop() if len(codes) == 1 else "invalid_importance")
    # Values are divided by the largest first, because the sum of large numbers may be infinite.
    largest = max(report.result.values()) or 1.0
    scaled = {name: report.result.get(name, 0.0) / largest for name in features}
    total = math.fsum(scaled.values()) or 1.0
    shares = {name: value / total for name, value in scaled.items()}
    ordered = dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
    return ExplainResult(ordered, sample_rows=report.sample_rows or 0, total_rows=report.total_rows or 0)


def _check_value(name: str, value: float, features: list[str]) -> FieldError | None:
    location = ("body", "result", name)
    if name not in features:
        return FieldError(location, describe_unknown("feature", name, features), "unknown_feature")
    if not math.isfinite(value) or value < 0:
        return FieldError(location, f"The importance of {name!r} is not a number from 0 up.", "invalid_importance")
    return None


def _import_files(storage: Storage, name: str, copy: str, spec: TrainSpec, outcome: TrainOutcome) -> Manifest:
    """Copy and verify a bundle, on this disk or from the object store; return its manifest. Blocking.

    An object store is read directly: a worker on this node may be writing local files under the same name.
    """
    with ExitStack() as stack:
        source = storage.path(name)
        if storage.store is not None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dataml-bundle-"))
            source = Path(folder) / BUNDLE
            with suppress(FileMissing):  # `_copy_and_verify` raises then.
                storage.download(name, source)
        manifest = _copy_and_verify(source, storage.path(copy), spec, outcome)
    storage.publish(copy)
    return manifest


def _copy_and_verify(source: Path, copy: Path, spec: TrainSpec, outcome: TrainOutcome) -> Manifest:
    if source.is_symlink() or not source.is_dir():
        raise Invalid("There is no such folder in the attempt's own directory.", code="bundle_missing")
    copy.mkdir(parents=True)
    _copy_file(source, copy, MANIFEST_FILE)
    for name in read_manifest(copy).files:
        if not _NAME.fullmatch(name):
            raise BundleDamaged("The manifest names a file that is in no bundle.")
        _copy_file(source, copy, name)
    manifest = _verify(copy, spec)
    _check_metrics(outcome.metrics, manifest.metrics)
    return manifest


def _copy_file(source: Path, copy: Path, name: str) -> None:
    try:
        # A link is not followed, and a pipe is not waited for.
        descriptor = os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BundleDamaged(f"Its file '{name}' cannot be read.") from error
    with os.fdopen(descriptor, "rb") as file, (copy / name).open("xb") as target:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BundleDamaged(f"Its file '{name}' is no file.")
        shutil.copyfileobj(file, target)


def _verify(copy: Path, spec: TrainSpec) -> Manifest:
    """Return the manifest of a bundle that loads and fits the training."""
    manifest, contract = read_manifest(copy), spec.contract
    if spec.problem_type == "Forecast":
        load_forecaster(copy)
        roles = {name: role for name in contract.names if (role := spec.roles.get(name))}
        _check_fit(manifest, spec, expected_features=roles, actual_features=manifest.roles)
        return manifest
    predictor = Predictor.load(copy)
    names = [name for name in contract.names if spec.roles.get(name) in FEATURE_ROLES]
    expected = {name: contract.column(name).data_type for name in names}
    actual = {column.name: column.data_type for column in predictor.contract.columns}
    _check_fit(manifest, spec, expected_features=expected, actual_features=actual)
    return manifest


def _check_fit(
    manifest: Manifest, spec: TrainSpec, *, expected_features: dict[str, Any], actual_features: dict[str, Any]
) -> None:
    expected = {"target": spec.target, "problem_type": spec.problem_type, "features": expected_features}
    actual = {"target": manifest.target, "problem_type": manifest.problem_type, "features": actual_features}
    if spec.algorithm != "auto":
        expected["algorithm"], actual["algorithm"] = spec.algorithm, manifest.algorithm
    if differing := [name for name in expected if expected[name] != actual[name]]:
        detail = f"The bundle is of another training; these differ: {', '.join(differing)}."
        raise Invalid(detail, code="bundle_does_not_fit")


def _check_metrics(reported: Mapping[str, float | None], measured: Mapping[str, float | None]) -> None:
    for name, value in reported.items():
        actual = measured.get(name)
        if value is None or actual is None:
            continue
        if not math.isclose(value, actual, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            raise Invalid(f"{name[:100]!r} is not what the bundle's manifest says.", code="metrics_differ")
