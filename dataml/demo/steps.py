"""What a step of the demo raises and waits with."""

import time
from collections.abc import Callable
from typing import Final

_POLL_INTERVAL_S: Final = 0.1


class StepFailed(Exception):
    """A step of the demo has failed; the message is the response of the API, or why there was none."""


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
