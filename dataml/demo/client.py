"""The demo's way to the API: plain HTTP calls, each with the curl command that does the same."""

import json
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

Progress = Callable[[float | None, str], None]

JOB_TIMEOUT_S: Final = 600.0
_POLL_S: Final = 0.1


class StepFailed(Exception):
    """The message is what the API answered, or why there was no answer."""


class DemoClient:
    """Calls one platform as one user; `on_call` hears the curl command of each call, secrets named and never shown."""

    def __init__(self, url: str, on_call: Callable[[str], None]) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self._on_call = on_call

    def close(self) -> None:
        self._http.close()

    def log_in(self, username: str, password: str) -> None:
        """Send the token of this user with every call from now on."""
        path = "/api/v1/login/access-token"
        form = f'-d username={username} --data-urlencode "password=$PASSWORD"'
        self._on_call(f"curl {self._http.base_url.join(path)} {form}")
        answer = self._send("POST", path, data={"username": username, "password": password}).json()
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def get(self, path: str, **query: str | int) -> Any:
        return self._call("GET", path, query).json()

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: str | int) -> Any:
        return self._call("POST", path, query, body).json()

    def upload(self, path: str, file: Path, **query: str | int) -> Any:
        """Send one file as a form."""
        self._on_call(self._curl("POST", path, query) + f" -F files=@{shlex.quote(str(file))}")
        with file.open("rb") as content:
            return self._send("POST", path, params=query, files={"files": (file.name, content, "text/csv")}).json()

    def text(self, path: str, **query: str | int) -> str:
        """The body of an answer that is not JSON."""
        return self._call("GET", path, query).text

    def follow(self, path: str, ended: Callable[[Any], bool], **query: str | int) -> Any:
        """Ask again until `ended` says so of the answer, which is then returned.

        Raises:
            StepFailed: it takes too long.
        """
        self._on_call(self._curl("GET", path, query))
        answer: Any = None

        def asked() -> bool:
            nonlocal answer
            answer = self._send("GET", path, params=query).json()
            return ended(answer)

        wait_until(asked, JOB_TIMEOUT_S, path)
        return answer

    def wait_for_job(self, job_id: str, progress: Progress) -> None:
        """Follow a job to its end.

        Raises:
            StepFailed: it failed, was cancelled or takes too long.
        """

        def ended(job: Any) -> bool:
            progress(job["progress"], job["phrase"])
            return job["state"] not in ("queued", "running")

        job = self.follow(f"/api/v1/jobs/{job_id}", ended)
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
            raise StepFailed(f"{method} {path} answered {response.status_code} {_error_of(response)}")
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


def wait_until(done: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Ask every 0.1 s.

    Raises:
        StepFailed: `done` is not true in time.
    """
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            raise StepFailed(f"{what} is not done within {timeout_s:.0f} s")
        time.sleep(_POLL_S)


def _error_of(response: httpx.Response) -> str:
    try:
        error = response.json()
        return f"{error['code']}: {error['detail']}"
    except (ValueError, KeyError, TypeError):
        return response.text[:500]
