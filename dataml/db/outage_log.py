"""The log of outages: a line when the database stops to answer, and one when it answers again."""

import logging
import time
from typing import Final

from sqlalchemy.exc import DBAPIError

QUIET_S: Final = 5.0
"""An outage is over at the first success that comes so long after the last failure: at a lock, some reads succeed."""

_MAX_REASON_LENGTH: Final = 300
log = logging.getLogger(__name__)


class OutageLog:
    """Logs the outages of one database as one process sees them, and counts the operations that have failed."""

    def __init__(self) -> None:
        self._failures = 0
        self._began_at = self._failed_at = 0.0

    def record_failure(self, error: Exception) -> None:
        """Count an operation that failed; the first one of an outage is logged, with the error in one line."""
        self._failed_at = time.monotonic()
        if not self._failures:
            self._began_at = self._failed_at
            log.error("The database does not answer: %s", _describe(error))
        self._failures += 1

    def record_success(self) -> None:
        """Log the end of an outage, if there is one and no operation has failed for a while."""
        if self._failures and time.monotonic() > self._failed_at + QUIET_S:
            failed_for_s = self._failed_at - self._began_at
            log.warning(
                "The database answers again: %d operations have failed within %.0f s", self._failures, failed_for_s
            )
            self._failures = 0


def _describe(error: Exception) -> str:
    """Return the class and the first line of the driver's error, without the statement."""
    cause = (error.orig if isinstance(error, DBAPIError) else None) or error
    reason = next(iter(str(cause).splitlines()), "")
    return f"{type(cause).__name__}: {reason}"[:_MAX_REASON_LENGTH]
