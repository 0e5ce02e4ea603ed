"""What a call of the client can raise.

    ClientError                     any of them
    ├── ApiError                    the API has refused the call: status, code, detail, request_id
    │   ├── BadRequest              400
    │   ├── Unauthorized            401
    │   ├── Forbidden               403
    │   ├── NotFound                404
    │   ├── Conflict                409
    │   ├── TooLarge                413
    │   ├── UnsupportedMedia        415
    │   ├── Invalid                 422, with `fields`
    │   ├── TooManyRequests         429
    │   ├── Unavailable             503
    │   └── StorageFull             507
    ├── NotConnected                no answer of the API: the connection failed or took too long
    ├── NotSignedIn                 nothing says who calls
    ├── JobFailed                   a job that was waited for has failed
    │   └── JobCancelled            it was cancelled
    ├── WaitTimeout                 a job has not ended in time; it goes on
    └── WrongRows                   the rows cannot be sent: a column is missing, ...

Every error has a sentence (`detail`) and a stable word (`code`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final


class ClientError(Exception):
    """Any error of the client; `detail` is a sentence, `code` a stable word."""

    default_code = "client_error"

    def __init__(
        self, detail: str, *, code: str | None = None, request_id: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code or self.default_code
        self.request_id = request_id


class ApiError(ClientError):
    """An answer of the API that says no.

    Attributes:
        status: The HTTP status.
        code: The stable code of the error, as the reference of error codes lists it.
        detail: What is wrong and what to change.
        request_id: The id of the request, as the log of the platform has it.
        fields: The wrong fields, each with `type`, `loc` and `msg`; empty where the error is not about fields.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        fields: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(detail, code=code, request_id=request_id, status=status)
        self.fields = tuple(fields)

    def __str__(self) -> str:
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.detail} [{self.status} {self.code}{request}]"


class BadRequest(ApiError):
    """The request cannot be read (400)."""


class Unauthorized(ApiError):
    """The caller is not known, or not any more (401)."""


class Forbidden(ApiError):
    """The caller may not do this (403)."""


class NotFound(ApiError):
    """There is no such thing (404)."""


class Conflict(ApiError):
    """The state of something else is in the way (409)."""


class TooLarge(ApiError):
    """The request is larger than it may be (413)."""


class UnsupportedMedia(ApiError):
    """The body is of a kind that the call does not take (415)."""


class Invalid(ApiError):
    """A value is wrong (422)."""


class TooManyRequests(ApiError):
    """The caller has to wait, also after the retries (429)."""


class Unavailable(ApiError):
    """A part of the platform is away, also after the retries (503)."""


class StorageFull(ApiError):
    """The platform has too little space (507)."""


class NotConnected(ClientError):
    """The API has not answered."""

    default_code = "not_connected"


class NotSignedIn(ClientError):
    """There are no credentials."""

    default_code = "not_signed_in"


class JobFailed(ClientError):
    """A job that was waited for has failed; `job` is the answer of the API about it."""

    default_code = "job_failed"

    def __init__(self, detail: str, *, job: Mapping[str, Any], code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.job = job
        self.job_id: str = job["job_id"]


class JobCancelled(JobFailed):
    """A job that was waited for was cancelled."""

    default_code = "job_cancelled"


class WaitTimeout(ClientError):
    """A job has not ended in the time that the caller gave; it goes on."""

    default_code = "wait_timeout"


class WrongRows(ClientError, ValueError):
    """Rows that cannot be sent as they are."""

    default_code = "wrong_rows"


_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: UnsupportedMedia,
    422: Invalid,
    429: TooManyRequests,
    503: Unavailable,
    507: StorageFull,
}


def from_answer(status: int, body: Any, request_id: str | None) -> ApiError:
    """Return the error that an answer of the API stands for; `body` is its JSON, or its text."""
    kind = _BY_STATUS.get(status, ApiError)
    if not isinstance(body, dict):
        text = str(body).strip()[:500] or "The answer has no body."
        return kind(text, status=status, code="no_json", request_id=request_id)
    # Calls of the Open Inference Protocol say `error`.
    detail = body.get("detail", body.get("error", ""))
    fields = detail if isinstance(detail, list) else []
    text = "; ".join(_sentence(field) for field in fields) if fields else str(detail)
    return kind(
        text, status=status, code=body.get("code"), request_id=body.get("request_id", request_id), fields=fields
    )


def _sentence(field: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in field.get("loc", ())[1:])
    message = str(field.get("msg", ""))
    return message if not where or where.rpartition(".")[2] in message else f"{where}: {message}"
