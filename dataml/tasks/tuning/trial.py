"""The trials of a search, one after the other in a process of Ray Tune."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import ray
from ray import tune

from dataml.clocks import Deadline
from dataml.errors import DatamlError
from dataml.tasks.tuning.search_space import DEADLINE, OBJECTIVE, own_parameters

log = logging.getLogger(__name__)

_GRACE_S = 0.5
"""How long a trial may run after the deadline: if it ended earlier, the search would begin the next one."""


class ObjectiveTrial(tune.Trainable):
    """Calls the objective once for each trial; the process and its imports are reused for the next trial.

    A result with an `error` is a failure: an exception from `step` would end the process. A result with neither an
    `error` nor a finite score ran out of time.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Load the objective from shared memory."""
        os.nice(10)  # like the worker that waits for it
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._objective: Callable[[dict[str, Any]], float] = ray.get(config[OBJECTIVE])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the configuration of the next trial."""
        self.config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Run the trial, up to the deadline of the search."""
        started = time.monotonic()
        call = _ObjectiveCall(self._objective, own_parameters(self.config))
        call.start()
        remaining_s = self.config[DEADLINE].remaining_s() + _GRACE_S
        call.join(None if math.isinf(remaining_s) else max(0.0, remaining_s))
        score, error = call.outcome
        return {"score": score, "error": error, "seconds": time.monotonic() - started, "done": True}


class UntilDeadline(tune.Stopper):
    """Ends a search at its deadline, the start of its processes included; trials that still run are stopped."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return False: no trial is stopped for its result."""
        return False

    def stop_all(self) -> bool:
        """Return whether the deadline has passed."""
        return self._deadline.remaining_s() <= 0


class _ObjectiveCall(threading.Thread):
    """One call of the objective, in a daemon thread: a fit cannot be interrupted, but its process can end.

    `outcome` is the score and, for a failure, the reason. A failure has the worst of all scores, so that the search
    avoids such parameters.
    """

    def __init__(self, objective: Callable[[dict[str, Any]], float], params: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self._objective = objective
        self._params = params
        self.outcome = (math.inf, "")

    def run(self) -> None:
        """Call the objective and keep its outcome."""
        with self:
            score = float(self._objective(self._params))
            self.outcome = (score, "") if math.isfinite(score) else (math.inf, "Its score is not a finite number.")

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is not None:
            self.outcome = (math.inf, _reason(error))
        return True


def _reason(error: BaseException) -> str:
    """Return the reason that a user may read; the log has the details."""
    if isinstance(error, DatamlError):
        return error.detail
    log.error("a trial failed", exc_info=error)
    if isinstance(error, MemoryError):
        return "It needed more memory than the machine has."
    return f"It failed unexpectedly ({type(error).__name__}); the platform's log has the cause."
