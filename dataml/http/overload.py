"""Limits on how many requests a replica of the API works on at once, by class, so that no class starves another.

A request beyond its limit waits in order; one more than may wait is refused at once. Health checks and metrics have no
limit.
"""

from functools import partial
from typing import Final

from dataml.concurrency import ConcurrencyLimiter
from dataml.errors import Unavailable
from dataml.http.open_inference import is_open_inference

_DETAIL: Final = "Too many requests of this kind are under way; try again in a moment."


def _limiter(max_concurrency: int, max_waiting: int) -> ConcurrencyLimiter:
    rejection = partial(Unavailable, _DETAIL, code="api_overloaded")
    return ConcurrencyLimiter(max_concurrency=max_concurrency, max_waiting=max_waiting, rejection=rejection)


PREDICTIONS: Final = _limiter(128, 896)
"""Predictions in real time and by name: they wait for models, not for the API."""

_LOGINS: Final = _limiter(128, 32)
"""Log-ins, which wait for their turn to hash a password."""

_TRANSFERS: Final = _limiter(64, 64)
"""Uploads and downloads, which may last as long as the client's line is slow."""

_CALLS: Final = _limiter(16, 272)
"""All other calls."""

_PAGES: Final = _limiter(64, 64)
"""Pages of the console, which wait for calls of their own; one that waits for a call takes no call's place."""

_UNLIMITED: Final = frozenset({"/api/v1/utils/health-check", "/metrics", "/v2/health/live", "/v2/health/ready"})
_BY_PATH: Final = {
    "/api/v1/login/access-token": _LOGINS,
    "/api/v1/reset-password": _LOGINS,
    "/api/v1/dataset/upload": _TRANSFERS,
    "/api/v1/files/add": _TRANSFERS,
    "/api/v1/files/download": _TRANSFERS,
    "/api/v1/dataset/error-report": _TRANSFERS,
    "/api/v1/inference/result/download": _TRANSFERS,
}


def limiter_of(path: str) -> ConcurrencyLimiter | None:
    """Return the limiter of the class of a path without a trailing slash; None for a path without a limit."""
    if path in _UNLIMITED:
        return None
    if not path.startswith(("/api/", "/models/")) and not is_open_inference(path):
        return _PAGES
    return _BY_PATH.get(path, _CALLS)
