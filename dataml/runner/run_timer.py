"""How long the attempt at a job has run, however often its supervisor restarts and whatever the clocks say."""

import time
from collections.abc import Callable


class RunTimer:
    """Counts from when this supervisor began to watch an attempt, by its monotonic clock.

    What the supervisors before it have recorded is added by `elapsed_s`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._before_s: float | None = None

    def elapsed_s(self, recorded_s: float) -> float:
        """Return the seconds that the attempt has run; `recorded_s` is what the database has of it.

        Only the first value counts: later ones are this timer's own.
        """
        if self._before_s is None:
            self._before_s = recorded_s
        return self._before_s + self._clock() - self._began
