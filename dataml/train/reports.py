"""The report of a trained model, as data read from its bundle and as an HTML page.

A short-lived process renders the page: V8 draws its charts, which takes a second and some hundred megabytes that the
API should not keep. A thread waits for the process, and not the event loop: the loop of a Serve replica is not that of
the main thread, and outside of the main thread not every kind of loop can watch child processes.
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
from dataml.ml.bundle.manifest import REPORT_FILE, read_file, read_manifest
from dataml.storage.storage import Storage
from dataml.train.models import Training

log = logging.getLogger(__name__)

_ROOT: Final = Path(dataml.__file__).parents[1]
_PAGE_MODULE: Final = "dataml.ml.report.page"
# Prefixes of the environment variables of the settings, the cluster and an object store.
_SECRET_PREFIXES: Final = ("DATAML_", "RAY_", "AWS_")
_TIMEOUT_S: Final = 60
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
    """The report of a model as data.

    Attributes:
        summary: The manifest without its files.
        report: The evaluation in detail; empty for a model of a version that wrote none.
        feature_importance: By feature, largest first; empty until it was computed.
    """

    summary: dict[str, Any]
    report: dict[str, Any]
    feature_importance: dict[str, float]


def read_report(storage: Storage, training: Training) -> ModelReport:
    """Read the report of a completed training from its bundle.

    Raises:
        BundleDamaged: A file is missing, or is not the one that was written.
        FileMissing: As `Storage.fetch`.
        Unavailable: As `Storage.fetch`.
    """
    directory = storage.fetch(training.bundle or "")
    manifest = read_manifest(directory)
    report = json.loads(read_file(directory, manifest, REPORT_FILE)) if REPORT_FILE in manifest.files else {}
    importance = (training.feature_importance or {}).get("values", {})
    # A JSON column of the database keeps no order of keys.
    largest_first = dict(sorted(importance.items(), key=lambda item: -item[1]))
    return ModelReport(manifest.summary(), report, largest_first)


async def render_page(storage: Storage, training: Training, dataset: Dataset) -> bytes:
    """Render the report of a completed training as one HTML page.

    Raises:
        BundleDamaged: As `read_report`.
        TooManyRequests: `too_many_reports`, when more wait already than can be served soon.
        Unavailable: `report_not_drawn`, when rendering took too long or failed.
    """
    async with _limiter.acquire():
        return await asyncio.to_thread(_render_page, storage, training, dataset)


def _render_page(storage: Storage, training: Training, dataset: Dataset) -> bytes:
    report = read_report(storage, training)
    names: dict[str, Any] = {
        "predictor_name": training.predictor_name,
        "version": training.version,
        "train_id": training.id,
        "domain": training.domain,
        "created_by": training.created_by,
        "dataset": f"{dataset.name}, version {training.dataset_version}",
        "threshold": training.threshold,
        "threshold_criterion": training.threshold_criterion,
    }
    data = {"summary": report.summary | names, "report": report.report, "importance": report.feature_importance}
    try:
        process = _run_page_process(json.dumps(data).encode())
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("the report of training %s was not drawn: %s", training.id, type(error).__name__)
        raise _not_drawn() from error
    # The end of the page tells that it is complete: where a process ignores SIGCHLD, the exit code of a child is lost.
    if not process.stdout.endswith(b"</html>\n"):
        log.error("the report of training %s was not drawn: %s", training.id, process.stderr.decode(errors="replace"))
        raise _not_drawn()
    return process.stdout


def _run_page_process(data: bytes) -> subprocess.CompletedProcess[bytes]:
    # The process does not need the platform's settings and secrets.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRET_PREFIXES)}
    return subprocess.run(
        [sys.executable, "-m", _PAGE_MODULE],
        input=data,
        capture_output=True,
        timeout=_TIMEOUT_S,
        cwd=_ROOT,
        env=environment,
        check=False,
    )


def _not_drawn() -> Unavailable:
    detail = "The page could not be drawn; try again, or request the report as JSON."
    return Unavailable(detail, code="report_not_drawn")
