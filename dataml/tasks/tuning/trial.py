"""What runs in the processes of a search: one trial after the other, and what Ray Tune says of them to the one that
waits."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import ray
from ray import tune

from dataml.errors import DatamlError
from dataml.tasks.tuning.search_space import DEADLINE, OBJECTIVE, own_parameters

log = logging.getLogger(__name__)

_GRACE_S = 0.5
"""A search stops on time; only then does a trial that still runs give up, or the search would begin the next one."""


class ObjectiveTrial(tune.Trainable):
    """Calls the objective once a trial; the process and its imports serve the next trial, too.

    A result with an `error` is a failure: an exception out of `step` would end the process. One with neither an `error`
    nor a finite score ran out of time.
    """

    def setup(self, config: dict[str, Any]) -> None:
        os.nice(10)  # as the worker that waits for it
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._objective: Callable[[dict[str, Any]], float] = ray.get(config[OBJECTIVE])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.config = new_config
        return True

    def step(self) -> dict[str, Any]:
        started = time.monotonic()
        call = _Call(self._objective, own_parameters(self.config))
        call.start()
        left = self.config[DEADLINE] + _GRACE_S - time.time()
        call.join(None if math.isinf(left) else max(0.0, left))
        score, error = call.outcome
        return {"score": score, "error": error, "seconds": time.monotonic() - started, "done": True}


class UntilDeadline(tune.Stopper):
    """Ends a search on time, the start of its processes included; what then still runs is stopped."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return time.time() >= self._deadline


class _Call(threading.Thread):
    """One call of the objective, in a thread that nobody waits for at the end: a fit cannot be interrupted, but the
    process that it runs in can end.

    `outcome` is the score and, for a failure, the reason. To the search a failure is the worst of all scores, so that
    it turns away from such parameters.
    """

    def __init__(self, objective: Callable[[dict[str, Any]], float], params: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self._objective = objective
        self._params = params
        self.outcome = (math.inf, "")

    def run(self) -> None:
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
    """What a user may read of it; the log has the rest."""
    if isinstance(error, DatamlError):
        return error.detail
    log.error("a trial failed", exc_info=error)
    if isinstance(error, MemoryError):
        return "It needed more memory than there is."
    return f"It failed unexpectedly ({type(error).__name__}); the platform's log has the cause."
