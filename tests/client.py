"""An HTTP client that asks the application in this process, as a user would over the wire."""

import functools
import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp

API = "/api/v1"
# Of every user in these tests.
PASSWORD = "a password for tests"


class Signal:
    """Wakes those who wait for something that another thread does."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        """How often it was sent so far."""
        return self._count

    def send(self) -> None:
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait_beyond(self, count: int, timeout_s: float) -> None:
        """Return when it was sent more than `count` times, or after the timeout."""
        with self._condition:
            self._condition.wait_for(lambda: self._count > count, timeout_s)


# Sent by the workers of this process, after the report of a job was accepted.
job_reported = Signal()


class Client:
    """One user. All clients of an application share its event loop, as requests to one process do; an exception of the
    application is raised here instead of being answered as a 500."""

    def __init__(self, app: ASGIApp, portal: BlockingPortal, headers: Mapping[str, str] | None = None) -> None:
        self.app = app
        self.portal = portal
        self.headers = dict(headers or {})
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://dataml", headers=self.headers
        )

    def get(self, path: str, **request: Any) -> httpx.Response:
        return self.request("GET", path, **request)

    def post(self, path: str, **request: Any) -> httpx.Response:
        return self.request("POST", path, **request)

    def request(self, method: str, path: str, **request: Any) -> httpx.Response:
        """`request` takes what `httpx.Client.request` takes. A path under the API is written as `/dataset/list`."""
        is_whole = path.startswith(("/api/", "/models/", "/v2", "/docs", "/redoc", "/openapi", "/metrics"))
        url = path if is_whole else API + path
        return self.portal.call(functools.partial(self._client.request, method, url, **request))


def wait_for_job(client: Client, job_id: str, timeout_s: float = 300.0) -> dict[str, Any]:
    """The job, once it has ended."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        reported = job_reported.count
        answer = client.get(f"/jobs/{job_id}")
        # On a busy machine the database may not answer in time.
        if answer.status_code != 503 and (job := answer.json())["state"] in ("succeeded", "failed", "cancelled"):
            return job
        # A job that is cancelled, or whose worker is lost, ends without a report.
        job_reported.wait_beyond(reported, 0.2)
    raise AssertionError(f"{job_id} did not end within {timeout_s} s")
