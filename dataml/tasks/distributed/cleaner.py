"""Removes the placement group of a distributed fit whose job was cancelled: Ray's own cleaner, which asks the dashboard
whether the fit still runs, for a platform without a dashboard.

Ray removes a group with the process that made it only when that is a detached actor, which the controller of a fit is
not; and its cleaner, when it gets no answer, waits for ever.
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
        # In this process, which is there for nothing else.
        placement_group_cleaner.is_actor_alive = _is_alive
        return super().start_monitoring()

    def _stop_monitor_thread(self) -> bool:
        # Not waited for, for it may end by itself meanwhile: the process goes with it.
        self._stop_event.set()
        return True

    def _exit(self) -> None:
        if threading.current_thread() is self._monitor_thread:  # where `exit_actor` has no effect
            ray.kill(ray.get_runtime_context().current_actor)
        else:
            super()._exit()


def _is_alive(actor_id: str, timeout: float) -> bool:
    from ray._private.state import actors

    return actors(actor_id).get("State") != "DEAD"


class FitCleaner(placement_group_callback.PlacementGroupCleanerCallback):
    def after_controller_start(self, train_run_context: Any) -> None:
        # In the controller's process, which is this fit's own.
        placement_group_callback.PlacementGroupCleaner = _Cleaner
        super().after_controller_start(train_run_context)
