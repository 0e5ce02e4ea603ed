"""Sends generated requests to every call of the API, and compares what it answers with its OpenAPI document.

The platform is the real application with a database, a supervisor and the real tasks, in this process; only Ray is
missing. Schemathesis runs in a process of its own, and asks over HTTP.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import uvicorn
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataml.access import passwords
from dataml.db import schema
from dataml.settings import load_settings
from tests.client import PASSWORD
from tests.conftest import SQLITE_FILE, Platform, run_platform
from tests.sample_tenant import create_sample_tenant
from tests.services.program import free_port
from tests.test_every_route import IDS

_CHECKS: Final = (
    "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance,"
    "response_headers_conformance"
)
# Of the requests that Schemathesis makes for an operation: the others follow links from one operation to the next.
_FUZZING_SHARE: Final = 0.6
_MAX_UNAUTHORIZED_SHARE: Final = 0.1
_HOOKS: Final = Path(__file__).with_name("hooks.py")


class CountedAnswers:
    """An application that counts its answers by status."""

    def __init__(self, app: ASGIApp) -> None:
        self.statuses: Counter[int] = Counter()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[message["status"]] += 1
            await send(message)

        await self._app(scope, receive, count)


@contextmanager
def served(platform: Platform) -> Iterator[tuple[str, CountedAnswers]]:
    """Serve a platform over HTTP, in its own event loop."""
    answers = CountedAnswers(platform.client.app)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(answers, port=port, log_level="warning", lifespan="off", timeout_graceful_shutdown=5)
    )
    serving = platform.client.portal.start_task_soon(server.serve)
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}", answers
    server.should_exit = True
    serving.result()


def main() -> int:
    """Run Schemathesis, print what was asked, and return its exit code."""
    options = _options()
    hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=16, parallelism=1),))
    with tempfile.TemporaryDirectory() as folder, patch.object(passwords, "_hasher", lambda: hasher):
        home = Path(folder) / "home"
        home.mkdir()
        settings = load_settings(home=home, admin_password=PASSWORD)
        schema.migrate(settings)
        with run_platform(settings, settings.root / SQLITE_FILE) as platform:
            ids = create_sample_tenant(platform.client).ids
            known = {name: ids[key] for name, key in IDS.items() if key in ids}
            operations = len(_operations(platform))
            with served(platform) as (url, answers):
                started = time.monotonic()
                code = _run_schemathesis(url, platform, known, options, operations, Path(folder))
                seconds = time.monotonic() - started
    return _report(code, answers.statuses, operations, seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--requests", type=int, default=2000, help="how many, roughly")
    parser.add_argument("--seconds", type=int, default=170, help="after which it ends")
    parser.add_argument("--seed", type=int, default=20000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("more", nargs="*", help="arguments for Schemathesis, after --")
    return parser.parse_args()


def _operations(platform: Platform) -> list[Any]:
    paths = platform.anonymous.get("/openapi.json").json()["paths"]
    return [operation for calls in paths.values() for operation in calls.values()]


def _run_schemathesis(
    url: str, platform: Platform, known: dict[str, Any], options: argparse.Namespace, operations: int, folder: Path
) -> int:
    examples = max(1, math.ceil(options.requests * _FUZZING_SHARE / operations))
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"]
    command += ["--checks", _CHECKS, "--phases", "examples,fuzzing,stateful", "--max-examples", str(examples)]
    command += ["--continue-on-failure", "--no-shrink", "--suppress-health-check", "all", "--warnings", "off"]
    command += ["--seed", str(options.seed), "--workers", str(options.workers), "--request-timeout", "60"]
    command += ["--header", f"Authorization: {platform.client.headers['Authorization']}", *options.more]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(_HOOKS), "FUZZ_KNOWN_NAMES": json.dumps(known)}
    try:
        return subprocess.run(command, env=environment, cwd=folder, timeout=options.seconds).returncode
    except subprocess.TimeoutExpired:
        print(f"fuzz: not all was asked within {options.seconds} s")
        return 1


def _report(code: int, statuses: Counter[int], operations: int, seconds: float) -> int:
    total = sum(statuses.values())
    shown = ", ".join(f"{status} {count}" for status, count in sorted(statuses.items()))
    unauthorized = statuses[401] / max(total, 1)
    if unauthorized > _MAX_UNAUTHORIZED_SHARE:
        print(f"fuzz: {unauthorized:.0%} of the answers are 401: the token has come to its end")
        code = 1
    print(f"fuzz: {total} requests of {operations} operations in {seconds:.0f} s ({shown})")
    print(f"fuzz: {'clean' if code == 0 else 'failed'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
