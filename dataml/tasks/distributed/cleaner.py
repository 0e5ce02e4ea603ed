"""The cleaner of distributed fits: removes the placement group of a fit whose job was cancelled.

Ray's own cleaner asks the dashboard whether the fit still runs, and waits for ever when there is no dashboard. Ray
itself removes a group together with its creator only when that is a detached actor, which the controller of a fit is
not.
"""

# The two names that are replaced are imported by Ray's modules, not defined there.
# pyright: reportPrivateImportUsage=false

import threading
from typing import Any

import ray
from ray.train.v2._internal.callbacks import placement_group_callback
from ray.train.v2._internal.execution.controller import placement_group_cleaner


class _Cleaner(placement_group_cleaner.PlacementGroupCleaner):
    def start_monitoring(self) -> Any:
        # In this process, which has no other purpose.
        placement_group_cleaner.is_actor_alive = _is_alive
        return super().start_monitoring()

    def _stop_monitor_thread(self) -> bool:
        # The thread is not joined, because it may end by itself meanwhile, and the process with it.
        self._stop_event.set()
        return True

    def _exit(self) -> None:
        if threading.current_thread() is self._monitor_thread:  # `exit_actor` has no effect there
            ray.kill(ray.get_runtime_context().current_actor)
        else:
            super()._exit()


def _is_alive(actor_id: str, timeout: float) -> bool:
    from ray._private.state import actors

    return actors(actor_id).get("State") != "DEAD"


class FitCleaner(placement_group_callback.PlacementGroupCleanerCallback):
    """Ray's callback, with a cleaner that asks Ray itself whether the fit still runs."""

    def after_controller_start(self, train_run_context: Any) -> None:
        """Start the cleaner."""
        # In the controller's process, which is this fit's own.
        placement_group_callback.PlacementGroupCleaner = _Cleaner
        super().after_controller_start(train_run_context)
