"""What is known of a trained model: read from its bundle, and as a page to keep.

Charts are drawn by V8, which takes a second and some hundred megabytes. A short-lived process does it, so that the API
keeps neither. It is waited for in a thread and not by the event loop: the loop of a Serve replica is not that of the
main thread, where the watching of child processes depends on what kind of loop it is.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import dataml
from dataml.concurrency import ConcurrencyLimiter
from dataml.dataset.models import Dataset
from dataml.errors import TooManyRequests, Unavailable
from dataml.ml.bundle.manifest import read_file, read_manifest
from dataml.ml.bundle.predictor import REPORT
from dataml.storage.storage import Storage
from dataml.train.models import Training

log = logging.getLogger(__name__)

_ROOT: Final = Path(dataml.__file__).parents[1]
_PROGRAM: Final = "dataml.ml.report.page"
# What the variables of settings, of the cluster and of an object store begin with.
_SECRET: Final = ("DATAML_", "RAY_", "AWS_")
_TIME_LIMIT_S: Final = 60
_MAX_CONCURRENCY: Final = 2
_MAX_WAITING: Final = 20
_limiter: Final = ConcurrencyLimiter(
    max_concurrency=_MAX_CONCURRENCY,
    max_waiting=_MAX_WAITING,
    rejection=partial(
        TooManyRequests,
        "Too many reports are waiting to be drawn; try again in a moment.",
        code="too_many_reports",
        headers={"Retry-After": "10"},
    ),
)


@dataclass(frozen=True)
class ModelReport:
    """`summary` is the manifest's without its files, `report` the evaluation in detail (empty for a model that was made
    before there were reports), `importance` that of features, largest first, empty until it was computed."""

    summary: dict[str, Any]
    report: dict[str, Any]
    importance: dict[str, float]


def read(storage: Storage, training: Training) -> ModelReport:
    """Of a completed training; reads files.

    Raises:
        BundleDamaged: a file is missing, or is not the one that was written.
        FileMissing, Unavailable: as `Storage.fetch`.
    """
    directory = storage.fetch(training.bundle or "")
    manifest = read_manifest(directory)
    report = json.loads(read_file(directory, manifest, REPORT)) if REPORT in manifest.files else {}
    found = (training.feature_importance or {}).get("values", {})
    # A JSON column of the database keeps no order of keys.
    return ModelReport(manifest.summary(), report, dict(sorted(found.items(), key=lambda item: -item[1])))


async def page(storage: Storage, training: Training, dataset: Dataset) -> bytes:
    """The report as one HTML page.

    Raises:
        BundleDamaged: as `read` does.
        TooManyRequests: `too_many_reports`: more wait already than can be served soon.
        Unavailable: `report_not_drawn`: it took too long, or failed.
    """
    async with _limiter.acquire():
        return await asyncio.to_thread(_drawn, storage, training, dataset)


def _drawn(storage: Storage, training: Training, dataset: Dataset) -> bytes:
    found = read(storage, training)
    named: dict[str, Any] = {
        "predictor_name": training.predictor_name,
        "version": training.version,
        "train_id": training.id,
        "domain": training.domain,
        "created_by": training.created_by,
        "dataset": f"{dataset.name}, version {training.dataset_version}",
    }
    given = {"summary": found.summary | named, "report": found.report, "importance": found.importance}
    # The platform's settings, secrets among them, are nothing that a page needs.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRET)}
    command = [sys.executable, "-m", _PROGRAM]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(given).encode(),
            capture_output=True,
            timeout=_TIME_LIMIT_S,
            cwd=_ROOT,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("the report of training %s was not drawn: %s", training.id, type(error).__name__)
        raise _not_drawn() from error
    # The page itself tells whether it is whole: where a process ignores SIGCHLD, the exit code of its children is lost.
    if not done.stdout.endswith(b"</html>\n"):
        log.error("the report of training %s was not drawn: %s", training.id, done.stderr.decode(errors="replace"))
        raise _not_drawn()
    return done.stdout


def _not_drawn() -> Unavailable:
    detail = "The page could not be drawn; try again, or ask for the report as JSON."
    return Unavailable(detail, code="report_not_drawn")
