"""The HTTP client of the demo; each call is also available as a curl command."""

import json
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

ReportProgress = Callable[[float | None, str], None]

JOB_TIMEOUT_S: Final = 600.0
_POLL_INTERVAL_S: Final = 0.1


class StepFailed(Exception):
    """A step of the demo has failed; the message is the response of the API, or why there was none."""


class DemoClient:
    """Calls one platform as one user; `on_call` gets the curl command of each call, with variables for secrets."""

    def __init__(self, url: str, on_call: Callable[[str], None]) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self._on_call = on_call

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def log_in(self, username: str, password: str) -> None:
        """Log in; every later call sends the token of this user."""
        path = "/api/v1/login/access-token"
        form = f'-d username={username} --data-urlencode "password=$PASSWORD"'
        self._on_call(f"curl {self._http.base_url.join(path)} {form}")
        answer = self._send("POST", path, data={"username": username, "password": password}).json()
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def get(self, path: str, **query: str | int) -> Any:
        """Return the JSON of a GET call. Raises StepFailed."""
        return self._call("GET", path, query).json()

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: str | int) -> Any:
        """Return the JSON of a POST call. Raises StepFailed."""
        return self._call("POST", path, query, body).json()

    def upload(self, path: str, file: Path, **query: str | int) -> Any:
        """Upload one file as a form, and return the JSON of the response. Raises StepFailed."""
        self._on_call(self._curl("POST", path, query) + f" -F files=@{shlex.quote(str(file))}")
        with file.open("rb") as content:
            return self._send("POST", path, params=query, files={"files": (file.name, content, "text/csv")}).json()

    def text(self, path: str, **query: str | int) -> str:
        """Return the body of a response that is not JSON. Raises StepFailed."""
        return self._call("GET", path, query).text

    def poll(self, path: str, is_done: Callable[[Any], bool], **query: str | int) -> Any:
        """Repeat a GET call until its JSON `is_done`, and return it.

        Raises:
            StepFailed: a call fails, or it takes longer than JOB_TIMEOUT_S.
        """
        self._on_call(self._curl("GET", path, query))
        answer: Any = None

        def call() -> bool:
            nonlocal answer
            answer = self._send("GET", path, params=query).json()
            return is_done(answer)

        wait_until(call, JOB_TIMEOUT_S, path)
        return answer

    def wait_for_job(self, job_id: str, report_progress: ReportProgress) -> None:
        """Wait until a job has succeeded, and report its progress.

        Raises:
            StepFailed: the job failed, was cancelled or takes too long.
        """

        def has_ended(job: Any) -> bool:
            report_progress(job["progress"], job["phrase"])
            return job["state"] not in ("queued", "running")

        job = self.poll(f"/api/v1/jobs/{job_id}", has_ended)
        if job["state"] != "succeeded":
            error = job["error"] or {"code": "", "detail": ""}
            raise StepFailed(f"{job_id} {job['state']} {error['code']}: {error['detail']}")

    def _call(
        self, method: str, path: str, query: Mapping[str, str | int], body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        self._on_call(self._curl(method, path, query, body))
        return self._send(method, path, params=query, **({} if body is None else {"json": body}))

    def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **parts)
        except httpx.HTTPError as error:
            raise StepFailed(f"{method} {path}: no answer ({type(error).__name__}: {error})") from error
        if response.is_error:
            raise StepFailed(f"{method} {path} answered {response.status_code} {_error_text(response)}")
        return response

    def _curl(
        self, method: str, path: str, query: Mapping[str, str | int], body: Mapping[str, Any] | None = None
    ) -> str:
        words = ["curl", *(["-X", method] if method == "POST" and body is None else [])]
        words.append(shlex.quote(str(self._http.build_request(method, path, params=query).url)))
        words.append('-H "Authorization: Bearer $TOKEN"')
        if body is not None:
            words += ["-H 'Content-Type: application/json'", "-d", shlex.quote(json.dumps(body))]
        return " ".join(words)


def wait_until(is_done: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Poll `is_done` every 0.1 s until it is true.

    Raises:
        StepFailed: it is not true within `timeout_s`; the message names `what`.
    """
    deadline = time.monotonic() + timeout_s
    while not is_done():
        if time.monotonic() > deadline:
            raise StepFailed(f"{what} is not done within {timeout_s:.0f} s")
        time.sleep(_POLL_INTERVAL_S)


def _error_text(response: httpx.Response) -> str:
    try:
        error = response.json()
        return f"{error['code']}: {error['detail']}"
    except (ValueError, KeyError, TypeError):
        return response.text[:500]
