"""Turns what a worker outside the cluster reports into the result that a worker inside would have sent."""

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
from contextlib import suppress
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
from dataml.storage.objects import FileMissing
from dataml.storage.storage import Storage
from dataml.train import service
from dataml.train.callbacks.schemas import ExplainReport, TrainOutcome, TrainReport
from dataml.train.models import Training

BUNDLE: Final = "bundle"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
_MAX_ERROR_CHARACTERS: Final = 2_000
_TOLERANCE: Final = 1e-6
log = logging.getLogger(__name__)


async def check_training(session: AsyncSession, scope: Scope, job: Job, report: TrainReport) -> Training:
    """The training that a report is about.

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


def bundle_name(directory: str, outcome: TrainOutcome) -> str:
    """The storage name of the bundle that a report speaks of: a folder in the attempt's own, `bundle` when it names
    none.

    Raises:
        Invalid: `path_refused`.
    """
    given = {name for name in (outcome.checkpoint, outcome.path) if name is not None}
    for name in given:
        parent, _, last = name.rpartition("/")
        if parent != directory or not _NAME.fullmatch(last):
            detail = "checkpoint and path are null, or the storage name of a folder in the attempt's own directory."
            raise Invalid(detail, code="path_refused")
    if len(given) > 1:
        raise Invalid("checkpoint and path name two folders; name one.", code="path_refused")
    return given.pop() if given else f"{directory}/{BUNDLE}"


def failure_of(error: str) -> JobFailure:
    """What a worker outside says went wrong, fit to show and to store."""
    shown = "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else " " for c in error)
    return JobFailure("external_failure", shown[:_MAX_ERROR_CHARACTERS])


async def adopt(storage: Storage, name: str, spec: TrainSpec, outcome: TrainOutcome) -> TrainResult:
    """The result that a bundle stands for. The platform takes a copy of it, verifies the copy and keeps that, so that
    nobody outside changes what was verified. What the bundle's manifest says counts.

    Raises:
        Invalid: `bundle_missing`, `bundle_damaged`, `bundle_does_not_fit`, `metrics_differ`.
        Unavailable: the store of files is away, or full.
    """
    copy = f"{name.rpartition('/')[0]}/reported-{uuid.uuid4().hex}"
    work = asyncio.to_thread(_take, storage, name, copy, spec, outcome)
    (done,) = await asyncio.gather(work, return_exceptions=True)
    if isinstance(done, Manifest):
        return _result(copy, done, spec, outcome)
    await storage.delete(copy)
    if isinstance(done, (Invalid, Unavailable)):
        raise done
    # Whatever a library raises at a file that it cannot read.
    log.warning("a reported bundle was refused", exc_info=done)
    detail = done.detail if isinstance(done, BundleDamaged) else "Its model cannot be loaded."
    raise Invalid(f"The bundle is not sound: {detail}", code="bundle_damaged")


async def discard(storage: Storage, result: TrainResult) -> None:
    """Remove the copy of a bundle that was not accepted."""
    await storage.delete(result.bundle)


async def explanation(session: AsyncSession, scope: Scope, job: Job, report: ExplainReport) -> ExplainResult:
    """The shares of the features, of which those that are not told have none.

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
    wrong = [error for name, value in report.result.items() if (error := _wrong_value(name, value, features))]
    if wrong:
        codes = {error.code for error in wrong}
        raise InvalidFields(wrong, code=codes.pop() if len(codes) == 1 else "invalid_importance")
    # By the largest first: the sum of large numbers may be none.
    largest = max(report.result.values()) or 1.0
    scaled = {name: report.result.get(name, 0.0) / largest for name in features}
    whole = math.fsum(scaled.values()) or 1.0
    shares = {name: value / whole for name, value in scaled.items()}
    ordered = dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
    return ExplainResult(ordered, sample_rows=report.sample_rows or 0, total_rows=report.total_rows or 0)


def _wrong_value(name: str, value: float, features: list[str]) -> FieldError | None:
    at = ("body", "result", name)
    if name not in features:
        return FieldError(at, f"{name!r} is no feature of this training.", "unknown_feature")
    if not math.isfinite(value) or value < 0:
        return FieldError(at, f"The importance of {name!r} is not a number from 0 up.", "invalid_importance")
    return None


def _take(storage: Storage, name: str, copy: str, spec: TrainSpec, outcome: TrainOutcome) -> Manifest:
    """As `_adopt`. A bundle comes as the store has it: under its name a worker inside may be writing one here."""
    if storage.store is None:
        return _adopt(storage.path(name), storage.path(copy), spec, outcome)
    with tempfile.TemporaryDirectory(prefix="dataml-bundle-") as folder:
        brought = Path(folder) / BUNDLE
        with suppress(FileMissing):  # said below
            storage.download(name, brought)
        manifest = _adopt(brought, storage.path(copy), spec, outcome)
    storage.publish(copy)
    return manifest


def _adopt(source: Path, copy: Path, spec: TrainSpec, outcome: TrainOutcome) -> Manifest:
    if source.is_symlink() or not source.is_dir():
        raise Invalid("There is no such folder in the attempt's own directory.", code="bundle_missing")
    copy.mkdir(parents=True)
    _copy(source, copy, MANIFEST_FILE)
    for name in read_manifest(copy).files:
        if not _NAME.fullmatch(name):
            raise BundleDamaged("The manifest names a file that is in no bundle.")
        _copy(source, copy, name)
    manifest = _checked(copy, spec)
    _check_metrics(outcome.metrics, manifest.metrics)
    _sync(copy)
    return manifest


def _copy(source: Path, copy: Path, name: str) -> None:
    try:
        # Neither a link nor a pipe leads anywhere.
        descriptor = os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BundleDamaged(f"Its file '{name}' cannot be read.") from error
    with os.fdopen(descriptor, "rb") as file, (copy / name).open("xb") as target:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BundleDamaged(f"Its file '{name}' is no file.")
        shutil.copyfileobj(file, target)
        target.flush()
        os.fsync(target.fileno())


def _sync(folder: Path) -> None:
    for path in (folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _checked(copy: Path, spec: TrainSpec) -> Manifest:
    """The manifest of a bundle that loads and answers what the training asks for."""
    manifest, contract = read_manifest(copy), spec.contract
    if spec.problem_type == "Forecast":
        load_forecaster(copy)
        wanted = {name: role for name in contract.names if (role := spec.roles.get(name))}
        _check_fit(manifest, spec, {"features": wanted}, {"features": manifest.roles})
        return manifest
    predictor = Predictor.load(copy)
    read = {name: contract.column(name).data_type for name in contract.names if spec.roles.get(name) in FEATURE_ROLES}
    found = {column.name: column.data_type for column in predictor.contract.columns}
    _check_fit(manifest, spec, {"features": read}, {"features": found})
    return manifest


def _check_fit(manifest: Manifest, spec: TrainSpec, wanted: dict[str, Any], given: dict[str, Any]) -> None:
    asked: dict[str, Any] = {
        "target": next(name for name, role in spec.roles.items() if role == "Target"),
        "problem_type": spec.problem_type,
        **wanted,
    }
    found = {"target": manifest.target, "problem_type": manifest.problem_type, **given}
    if spec.algorithm != "auto":
        asked["algorithm"], found["algorithm"] = spec.algorithm, manifest.algorithm
    if differing := [name for name in asked if asked[name] != found[name]]:
        detail = f"The bundle is of another training; these differ: {', '.join(differing)}."
        raise Invalid(detail, code="bundle_does_not_fit")


def _check_metrics(told: Mapping[str, float | None], measured: Mapping[str, float | None]) -> None:
    for name, value in told.items():
        actual = measured.get(name)
        if value is None or actual is None:
            continue
        if not math.isclose(value, actual, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            raise Invalid(f"{name[:100]!r} is not what the bundle's manifest says.", code="metrics_differ")


def _result(copy: str, manifest: Manifest, spec: TrainSpec, outcome: TrainOutcome) -> TrainResult:
    # Only a worker that has compared a continuation with its parent can say that it is better.
    is_promoted = spec.parent is None if outcome.is_promoted is None else outcome.is_promoted
    return TrainResult.from_manifest(copy, manifest, is_promoted=is_promoted)
