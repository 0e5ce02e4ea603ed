"""What must hold when the faults are over."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

import dataml
from deployments.processes import find_processes
from tests.chaos.load import Ledger, Load
from tests.chaos.running_platform import RunningPlatform

_JOB_TIMEOUT_S: Final = 900.0


def stop_and_check(platform: RunningPlatform, load: Load) -> list[str]:
    """Stop a platform whose load has stopped, and return everything that is wrong."""
    wrong = [*load.ledger.violations, *check_acknowledged(load)]
    exit_code = platform.stop()
    wrong += [f"dataml up ended with {exit_code}"] if exit_code else []
    for check in (check_database, check_leftovers, check_files):
        wrong += check(platform)
    return wrong


def check_acknowledged(load: Load) -> Iterator[str]:
    """Yield what was acknowledged and is not there, and jobs that did not end well; wait for those that still run."""
    client, ledger = load.client, load.ledger
    for job_id in sorted(ledger.jobs):
        try:
            client.jobs.wait(job_id, timeout_s=_JOB_TIMEOUT_S)
        except dataml.ClientError as error:
            yield f"job {job_id}: {error}"
    yield from _missing("template", ledger.templates, client.templates.list())
    yield from _missing("dataset", ledger.datasets, client.datasets.list())
    yield from _missing("training", ledger.trainings, client.models.list())
    for prediction_id in sorted(ledger.batches):
        try:
            status = client.api.get_batch_result(prediction_id=prediction_id)["status"]
        except dataml.ClientError as error:
            status = str(error)
        if status != "completed":
            yield f"batch {prediction_id}: {status}"


def check_database(platform: RunningPlatform) -> Iterator[str]:
    """Yield what is wrong in the database of a platform that is stopped."""
    connection = sqlite3.connect(platform.home / "dataml.db")
    for (message,) in connection.execute("PRAGMA integrity_check"):
        if message != "ok":
            yield f"the database: {message}"
    for row in connection.execute("PRAGMA foreign_key_check"):
        yield f"a foreign key: {row}"
    for row in connection.execute("SELECT id, state FROM job WHERE state IN ('queued', 'running')"):
        yield f"a job that has not ended: {row}"
    doubled = "SELECT subject_id, kind, count(*) FROM job WHERE state = 'succeeded' GROUP BY 1, 2 HAVING count(*) > 1"
    for row in connection.execute(doubled):
        yield f"jobs that were done twice: {row}"
    connection.close()


def check_leftovers(platform: RunningPlatform) -> Iterator[str]:
    """Yield what a platform that is stopped has left behind."""
    for process in find_processes(platform.folder):
        yield f"process {process.pid} still runs: {process.cmdline()}"
    if platform.folder.exists():
        yield f"{platform.folder} is still there"


def check_files(platform: RunningPlatform) -> Iterator[str]:
    """Yield the errors that `dataml doctor` finds in the home of a platform that is stopped.

    What interrupted uploads have left is removed after a day, and only a warning.
    """
    command = [sys.executable, "-m", "dataml.cli", "doctor", "--json"]
    output = subprocess.run(command, env=platform.environment, capture_output=True, text=True, check=False)
    try:
        found = json.loads(output.stdout)
    except ValueError:
        yield f"dataml doctor failed: {output.stdout}{output.stderr}"
        return
    for finding in found["findings"]:
        if finding["severity"] == "error":
            yield f"dataml doctor: {finding['message']}"


def _missing(noun: str, acknowledged: set[int], stored: Iterable[dict[str, Any]]) -> Iterator[str]:
    for missing in sorted(acknowledged - {row["id"] for row in stored}):
        yield f"{noun} {missing} was acknowledged and is not there"


def summary(ledger: Ledger) -> str:
    """Return the numbers of what was acknowledged and answered."""
    counts = ", ".join(f"{number} {what}" for what, number in sorted(ledger.answers.items()))
    return (
        f"acknowledged: {len(ledger.templates)} templates, {len(ledger.datasets)} datasets, "
        f"{len(ledger.trainings)} trainings, {len(ledger.batches)} batches, {len(ledger.jobs)} jobs\nanswers: {counts}"
    )
