"""Errors that a user can get, each with its HTTP status and a stable code.

    DatamlError                     400  bad_request
    ├── Unauthorized                401  unauthorized
    ├── Forbidden                   403  forbidden
    ├── NotFound                    404  not_found
    ├── MethodNotAllowed            405  method_not_allowed
    ├── RequestTimeout              408  request_timeout
    ├── Conflict                    409  conflict
    ├── TooLarge                    413  too_large
    ├── UnsupportedMedia            415  unsupported_media
    ├── Invalid                     422  invalid
    │   └── InvalidFields           422  invalid_fields (a list, one entry a field)
    ├── TooManyRequests             429  too_many_requests
    ├── Defect                      500  internal_error
    ├── BadGateway                  502  bad_gateway
    ├── Unavailable                 503  unavailable
    │   └── StorageFull             507  storage_full
    ├── FileDamaged                 503  file_damaged
    └── GatewayTimeout              504  gateway_timeout
    StartupError                    the platform cannot start; a line for the console, exit 2

An error is raised where its rule lives, with the code of that rule; `http.errors` renders all of them.
"""

from dataclasses import dataclass
from typing import Final

EXIT_CANNOT_START: Final = 2
"""Exit code of a command that a `StartupError` has ended."""


class DatamlError(Exception):
    """A refused call: `detail` is a sentence that says what to change, `code` never changes between versions."""

    status = 400
    default_code = "bad_request"

    def __init__(self, detail: str, *, code: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.headers = headers or {}

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross process borders.
        return (_rebuild, (type(self), self.__dict__))


def _rebuild(cls: type[DatamlError], state: dict[str, object]) -> DatamlError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["detail"])
    error.__dict__.update(state)
    return error


class Unauthorized(DatamlError):
    """The caller is not authenticated."""

    status, default_code = 401, "unauthorized"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail, code=code, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(DatamlError):
    """The caller may not do this."""

    status, default_code = 403, "forbidden"


class NotFound(DatamlError):
    """There is no such thing, or it is another tenant's."""

    status, default_code = 404, "not_found"


class MethodNotAllowed(DatamlError):
    """The path exists, and does not take this method."""

    status, default_code = 405, "method_not_allowed"


class RequestTimeout(DatamlError):
    """The request did not arrive in time."""

    status, default_code = 408, "request_timeout"


class Conflict(DatamlError):
    """The state of something else is in the way."""

    status, default_code = 409, "conflict"


class TooLarge(DatamlError):
    """The request is larger than it may be."""

    status, default_code = 413, "too_large"


class UnsupportedMedia(DatamlError):
    """The body is of a kind that the call does not take."""

    status, default_code = 415, "unsupported_media"


class Invalid(DatamlError):
    """A value is wrong."""

    status, default_code = 422, "invalid"


@dataclass(frozen=True)
class FieldError:
    """One wrong field: `location` as FastAPI writes it, e.g. ("body", "features", "tenure")."""

    location: tuple[str | int, ...]
    message: str
    code: str


class InvalidFields(Invalid):
    """Several fields at once, rendered as FastAPI renders its own 422."""

    default_code = "invalid_fields"

    def __init__(self, fields: list[FieldError], *, code: str | None = None) -> None:
        super().__init__("; ".join(f.message for f in fields), code=code)
        self.fields = fields


class TooManyRequests(DatamlError):
    """The caller has to wait."""

    status, default_code = 429, "too_many_requests"


class Unavailable(DatamlError):
    """A part of the platform is away for the moment."""

    status, default_code = 503, "unavailable"
    retry_after_s = 1

    def __init__(self, detail: str, *, code: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": str(self.retry_after_s)} | (headers or {}))


class StorageFull(Unavailable):
    """A disk, a database or a store has too little space; nothing was changed."""

    status, default_code = 507, "storage_full"
    retry_after_s = 60


class Defect(DatamlError):
    """A call that a mistake of the platform has ended; the log has the exception."""

    status, default_code = 500, "internal_error"

    def __init__(self) -> None:
        detail = "The platform has made a mistake; its log has the cause."
        super().__init__(detail, code="internal_error")


class BadGateway(DatamlError):
    """The connection between the proxy and a replica broke."""

    status, default_code = 502, "bad_gateway"


class GatewayTimeout(DatamlError):
    """A replica did not answer the proxy in time."""

    status, default_code = 504, "gateway_timeout"


class FileDamaged(DatamlError):
    """A file in storage is not what was written: to send the call again does not help."""

    status, default_code = 503, "file_damaged"


class StartupError(Exception):
    """The platform cannot start; the message is the one line the console shows."""
