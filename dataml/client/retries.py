"""Which calls are sent again, and when. Knows no HTTP library."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_RETRY_AFTER_S: Final = 60.0
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
# Refused before anything was done, whatever the call.
_NOTHING_DONE: Final = frozenset({429})
_AWAY: Final = frozenset({502, 503, 504})
# To send the call again does not help.
_FINAL_CODES: Final = frozenset({"file_damaged"})
_FIRST_DELAY_S: Final = 0.2
_MAX_DELAY_S: Final = 8.0


@dataclass(frozen=True)
class RetryPolicy:
    """How often a call is sent again, at most; 0 switches retries off."""

    max_retries: int = 4

    def delay_after_answer(
        self, retries: int, status: int, code: str | None, headers: Mapping[str, str], *, repeatable: bool
    ) -> float | None:
        """Return the seconds to wait before an answered call is sent again, or None when it is not.

        Args:
            retries: How often the call was sent again already.
            status: The status of the answer.
            code: The code of the error.
            headers: The headers of the answer, with names in lower case.
            repeatable: Whether a second call does no more than one.
        """
        if retries >= self.max_retries or code in _FINAL_CODES:
            return None
        is_waiting = status in _NOTHING_DONE or code in ("request_in_progress", "api_overloaded")
        if not is_waiting and not (status in _AWAY and repeatable):
            return None
        return _retry_after_s(headers.get("retry-after"), retries)

    def delay_after_failure(self, retries: int, *, was_sent: bool, repeatable: bool) -> float | None:
        """Return the seconds to wait before a call without an answer is sent again, or None when it is not."""
        if retries >= self.max_retries or (was_sent and not repeatable):
            return None
        return back_off_s(retries)


def is_repeatable(method: str, idempotency_key: str | None) -> bool:
    """Return whether a second call of this kind does no more than one."""
    return method in _SAFE_METHODS or idempotency_key is not None


def back_off_s(retries: int) -> float:
    """Return an exponential delay in seconds, with jitter."""
    return min(_FIRST_DELAY_S * 2**retries, _MAX_DELAY_S) * random.uniform(0.75, 1.25)


def _retry_after_s(header: str | None, retries: int) -> float:
    try:
        return min(max(float(header or ""), 0.0), MAX_RETRY_AFTER_S)
    except ValueError:
        return back_off_s(retries)
