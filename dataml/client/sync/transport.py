# Generated from dataml/client/aio/transport.py by `make client`: change that file.
"""Sends the calls: who calls, what is sent again and when, what an answer means."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from dataml.client import errors
from dataml.client.credentials import Credentials
from dataml.client.http_library import httpx
from dataml.client.multipart import FilePart, MultipartBody, ReportBytes
from dataml.client.progress import ShowProgress, open_progress, report_bytes_to
from dataml.client.retries import RetryPolicy, is_repeatable
from dataml.client.sync.runtime import HttpClient, HttpTransport, iterate, run_in_thread, sleep
from dataml.client.sync.sessions import Session

AnswerKind = Literal["json", "text", "bytes"]
DEFAULT_TIMEOUT_S: Final = 60.0
_CONNECT_TIMEOUT_S: Final = 10.0
# The platform answers an upload when it has read all of it.
_UPLOAD_TIMEOUT_S: Final = 900.0
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
OnCall = Callable[[httpx.Request], None]


class Transport:
    """Calls one platform as one caller."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        verify: bool | str = True,
        retries: RetryPolicy | None = None,
        http_transport: HttpTransport | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        self.url = credentials.url
        self.timeout_s = timeout_s
        self._retries = retries or RetryPolicy()
        self._on_call = on_call
        self._http = HttpClient(
            base_url=credentials.url,
            timeout=_timeout(timeout_s),
            verify=_tls(verify),
            transport=http_transport,
            # A proxy of the environment does not know this machine by the name that is its own.
            trust_env=httpx.URL(credentials.url).host not in _LOOPBACK,
            headers={"User-Agent": "dataml-python", "Accept": "application/json, */*;q=0.5"},
        )
        self.session = Session(credentials, self._send_form)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Mapping[str, Any] | None = None,
        answer: AnswerKind = "json",
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
        signed: bool = True,
    ) -> Any:
        """Send a call, and return the JSON, the text or the bytes of its answer.

        Args:
            method: GET, POST, PUT or DELETE.
            path: From the root of the platform.
            query: Parameters; those that are None are left out.
            body: Sent as JSON, unless it is None.
            form: Sent as a form, in place of a body.
            answer: What the answer is read as.
            idempotency_key: Sent with the call, which may then be sent again.
            timeout_s: How long to wait for the answer, in place of the client's own limit.
            signed: Whether the call says who calls.

        Raises:
            ApiError: The platform has refused the call.
            NotConnected: There was no answer.
        """
        parts = _parts(query, body, form)
        # The platform answers a call that waits for a job when the job has ended, or then.
        wait_s = float((query or {}).get("wait") or 0)
        if timeout_s is not None or wait_s:
            parts["timeout"] = _timeout((self.timeout_s if timeout_s is None else timeout_s) + wait_s)

        def build(headers: dict[str, str]) -> httpx.Request:
            return self._http.build_request(method, path, headers=headers, **parts)

        response = self._send(build, method, idempotency_key, signed=signed)
        return _read(response, answer)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        files: Sequence[FilePart] = (),
        headers: Mapping[str, str] | None = None,
        signed: bool = True,
    ) -> httpx.Response:
        """Send one request once, and return its answer as it came, whatever its status.

        The request is not sent again, and a token that is refused is not renewed. The login that a signed request needs
        is sent as that of any other call.

        Args:
            method: GET, POST, PUT or DELETE.
            path: From the root of the platform.
            query: Parameters; those that are None are left out.
            body: Sent as JSON, unless it is None.
            form: Sent as a form, in place of a body.
            content: Sent as it is, in place of a body.
            files: Sent as a form with the field `files`, in place of a body.
            headers: Sent in place of the client's own of the same name.
            signed: Whether the request says who calls.

        Raises:
            ApiError: The login has been refused.
            NotConnected: There was no answer; its cause is the error of httpx.
        """
        parts = _parts(query, body, form)
        own = _headers(self.session.token() if signed else None, None)
        if content is not None:
            parts["content"] = content
        elif files:
            multipart = MultipartBody("files", files)
            own |= multipart.headers
            parts["content"] = _pieces(multipart, None)
        merged = httpx.Headers(own)
        merged.update(headers)
        try:
            return self._send_once(self._http.build_request(method, path, headers=merged, **parts), stream=False)
        except httpx.TransportError as error:
            raise _not_connected(self.url, error) from error

    def upload(
        self,
        path: str,
        files: Sequence[FilePart],
        *,
        field: str = "files",
        query: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        report_bytes: ReportBytes | None = None,
    ) -> Any:
        """Send files as a form, and return the JSON of the answer.

        Args:
            path: From the root of the platform.
            files: The files, which are read piece by piece, and again when the call is sent again.
            field: The field of the form.
            query: Parameters; those that are None are left out.
            idempotency_key: Sent with the call, which may then be sent again.
            report_bytes: Called with the bytes sent so far, and of all.

        Raises:
            ApiError: The platform has refused the call.
            NotConnected: There was no answer.
        """
        body = MultipartBody(field, files)
        timeout = _timeout(_UPLOAD_TIMEOUT_S)

        def build(headers: dict[str, str]) -> httpx.Request:
            content = _pieces(body, report_bytes)
            return self._http.build_request(
                "POST", path, headers=headers | body.headers, params=_clean(query), content=content, timeout=timeout
            )

        return _read(self._send(build, "POST", idempotency_key), "json")

    def download(
        self,
        path: str,
        sink: BinaryIO,
        *,
        query: Mapping[str, Any] | None = None,
        report_bytes: ReportBytes | None = None,
    ) -> None:
        """Write the body of an answer to an open file, piece by piece; `report_bytes` gets 0 for an unknown length.

        Raises:
            ApiError: The platform has refused the call.
            NotConnected: There was no answer, or it ended before its end.
        """

        def build(headers: dict[str, str]) -> httpx.Request:
            return self._http.build_request("GET", path, headers=headers, params=_clean(query))

        response = self._send(build, "GET", None, stream=True)
        total, done = int(response.headers.get("content-length", 0)), 0
        try:
            for piece in response.iter_bytes():
                run_in_thread(sink.write, piece)
                done += len(piece)
                if report_bytes is not None:
                    report_bytes(done, total)
        except httpx.HTTPError as error:
            raise _not_connected(self.url, error) from error
        finally:
            response.close()

    def download_to(
        self, path: str, target: Path, *, query: Mapping[str, Any] | None = None, progress: ShowProgress = None
    ) -> Path:
        """Write the body of an answer to a file, and return its path; a download that fails leaves no file.

        Args:
            path: From the root of the platform.
            target: The file, which is replaced if there is one.
            query: Parameters; those that are None are left out.
            progress: Whether the progress is shown, or a function that gets it.

        Raises:
            ApiError: The platform has refused the call.
            NotConnected: There was no answer, or it ended before its end.
            OSError: The file cannot be written.
        """
        part = target.with_name(f"{target.name}.part")
        file = run_in_thread(lambda: part.open("wb"))
        try:
            with file, open_progress(progress, target.name) as shown:
                self.download(path, file, query=query, report_bytes=report_bytes_to(shown, "received"))
            return run_in_thread(part.replace, target)
        finally:
            run_in_thread(lambda: part.unlink(missing_ok=True))

    def _send(
        self,
        build: Callable[[dict[str, str]], httpx.Request],
        method: str,
        idempotency_key: str | None,
        *,
        signed: bool = True,
        stream: bool = False,
    ) -> httpx.Response:
        """Send a request until it has an answer that counts, and return it."""
        repeatable = is_repeatable(method, idempotency_key)
        retries, renewed = 0, False
        while True:
            token = self.session.token() if signed else None
            request = build(_headers(token, idempotency_key))
            try:
                response = self._send_once(request, stream=stream)
            except httpx.TransportError as error:
                was_sent = not isinstance(error, _NEVER_SENT)
                delay_s = self._retries.delay_after_failure(retries, was_sent=was_sent, repeatable=repeatable)
                if delay_s is None:
                    raise _not_connected(self.url, error) from error
            else:
                if not response.is_error:
                    return response
                error = _error(response)
                if response.status_code == 401 and token and not renewed and self.session.renew_after(token):
                    renewed = True
                    continue
                delay_s = self._retries.delay_after_answer(
                    retries, response.status_code, error.code, response.headers, repeatable=repeatable
                )
                if delay_s is None:
                    raise error
            retries += 1
            sleep(delay_s)

    def _send_once(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        if self._on_call is not None:
            self._on_call(request)
        response = self._http.send(request, stream=stream)
        if stream and response.is_error:
            response.read()
        return response

    def _send_form(self, path: str, form: dict[str, str]) -> Any:
        return self.call("POST", path, form=form, signed=False)


def new_idempotency_key() -> str:
    """Return a key for one call, which is the same when that call is sent again."""
    return uuid.uuid4().hex


def _pieces(body: MultipartBody, report_bytes: ReportBytes | None) -> Iterator[bytes]:
    done = 0
    for piece in iterate(body.read()):
        yield piece
        done += len(piece)
        if report_bytes is not None:
            report_bytes(done, body.size_bytes)


def _parts(query: Mapping[str, Any] | None, body: Any, form: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a request's query and body as httpx takes them."""
    parts: dict[str, Any] = {"params": _clean(query)}
    if body is not None:
        parts["json"] = body
    if form is not None:
        parts["data"] = _clean(form)
    return parts


def _timeout(timeout_s: float) -> httpx.Timeout:
    return httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S)


def _headers(token: str | None, idempotency_key: str | None) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return headers | ({"Idempotency-Key": idempotency_key} if idempotency_key else {})


def _tls(verify: bool | str) -> Any:
    if not isinstance(verify, str):
        return verify
    import ssl

    return ssl.create_default_context(cafile=verify)


def _clean(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (values or {}).items() if value is not None}


def _read(response: httpx.Response, answer: AnswerKind) -> Any:
    if answer == "bytes":
        return response.content
    return response.text if answer == "text" else response.json()


def _error(response: httpx.Response) -> errors.ApiError:
    try:
        body = response.json()
    except ValueError:
        body = response.text
    return errors.from_answer(response.status_code, body, response.headers.get("x-request-id"))


def _not_connected(url: str, error: httpx.HTTPError) -> errors.NotConnected:
    kind = "took too long" if isinstance(error, httpx.TimeoutException) else "did not answer"
    return errors.NotConnected(f"{url} {kind} ({type(error).__name__}: {error}).")
