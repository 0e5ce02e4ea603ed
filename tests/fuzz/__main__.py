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
from dataclasses import dataclass
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
# What a run of Schemathesis sends is not known before: an operation without parameters gets few different requests, and
# links from one operation to the next add some. So there are rounds, until about as many as asked for were sent.
_MAX_REQUESTS_OF_ROUND: Final = 10_000
_TOLERANCE: Final = 0.05
_MAX_UNAUTHORIZED_SHARE: Final = 0.1
_TOKEN_MINUTES: Final = 1440
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
        # The token of the first login is sent with every request.
        settings = load_settings(home=home, admin_password=PASSWORD, access_token_minutes=_TOKEN_MINUTES)
        schema.migrate(settings)
        with run_platform(settings, settings.root / SQLITE_FILE) as platform:
            ids = create_sample_tenant(platform.client).ids
            known = {name: ids[key] for name, key in IDS.items() if key in ids}
            operations = len(_operations(platform))
            with served(platform) as (url, answers):
                started = time.monotonic()
                fuzzer = Schemathesis(url, platform.client.headers["Authorization"], known, options, Path(folder))
                code = _run_rounds(fuzzer, answers, options, operations)
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


@dataclass(frozen=True)
class Schemathesis:
    """What every round of Schemathesis has in common."""

    url: str
    authorization: str
    known: dict[str, Any]
    options: argparse.Namespace
    folder: Path

    def run(self, seed: int, examples: int, timeout_s: float) -> int:
        """Send up to so many requests to each operation, and return the exit code.

        Raises:
            TimeoutExpired: not all was asked within `timeout_s`.
        """
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{self.url}/openapi.json"]
        command += ["--checks", _CHECKS, "--phases", "examples,fuzzing,stateful", "--max-examples", str(examples)]
        command += ["--continue-on-failure", "--no-shrink", "--suppress-health-check", "all", "--warnings", "off"]
        command += ["--seed", str(seed), "--workers", str(self.options.workers), "--request-timeout", "60"]
        command += ["--header", f"Authorization: {self.authorization}", *self.options.more]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(_HOOKS), "FUZZ_KNOWN_NAMES": json.dumps(self.known)}
        return subprocess.run(command, env=environment, cwd=self.folder, timeout=timeout_s).returncode


def _run_rounds(fuzzer: Schemathesis, answers: CountedAnswers, options: argparse.Namespace, operations: int) -> int:
    """Run rounds of Schemathesis, each with another seed, until about `options.requests` were sent; return the code."""
    deadline = time.monotonic() + options.seconds
    seed, code = options.seed, 0
    while code == 0 and (missing := options.requests - answers.statuses.total()) > options.requests * _TOLERANCE:
        examples = math.ceil(min(missing, _MAX_REQUESTS_OF_ROUND) / operations)
        try:
            code = fuzzer.run(seed, examples, deadline - time.monotonic())
        except subprocess.TimeoutExpired:
            print(f"fuzz: not all was asked within {options.seconds} s")
            return 1
        if options.more:
            break  # Arguments of Schemathesis may leave out most operations.
        seed += 1
    return code


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
