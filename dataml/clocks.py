"""Times that stay right when the machine's clock is set to another time of day."""

import math
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_STARTED_AT, _STARTED_MONOTONIC = time.time(), time.monotonic()


def steady_time() -> float:
    """Return the seconds since 1970, not counting jumps ahead that the clock has made since this process started.

    For ages of files: one that was written a minute ago is not a day old because the clock was set ahead.
    """
    return min(time.time(), _STARTED_AT + time.monotonic() - _STARTED_MONOTONIC)


@dataclass(frozen=True)
class Deadline:
    """A moment that processes of several machines can wait for.

    On the machine where it was set it is a time of the monotonic clock, which nobody sets; on others, whose monotonic
    clocks have another beginning, the time of day.
    """

    machine: str | None
    monotonic_s: float
    time_s: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the moment in so many seconds; infinity for never."""
        return cls(_machine(), time.monotonic() + seconds, time.time() + seconds)

    def remaining_s(self) -> float:
        """Return the seconds until then; negative when it has passed, infinity for never."""
        if math.isinf(self.time_s):
            return self.time_s
        if self.machine is not None and self.machine == _machine():
            return self.monotonic_s - time.monotonic()
        return self.time_s - time.time()


@cache
def _machine() -> str | None:
    """Return what no other start of a machine has; None where the kernel has no such thing."""
    try:
        return _BOOT_ID.read_text()
    except OSError:
        return None
