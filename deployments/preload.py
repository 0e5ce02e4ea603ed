"""Ray imports this in each process that it starts, before the process gets an actor or a task.

A spare process (`deployments.spare_process`) imports the API here; any other one only learns what it does without.
"""

import gc
import os
from importlib import import_module
from typing import Final

from ray import JobID
from ray.experimental.internal_kv import _internal_kv_exists

from deployments import lean_imports

KEY: Final = b"spare-process"
NAMESPACE: Final = "dataml"


def is_for_any_job(environment: dict[str, str]) -> bool:
    """Return whether Ray has started a process of this environment ahead of need, and not for an actor or a task."""
    return environment.get("RAY_JOB_ID") == JobID.nil().hex()


lean_imports.install()

# The first processes, which Ray starts with itself, are needed at once: the platform has no key then.
if is_for_any_job(dict(os.environ)) and _internal_kv_exists(KEY, namespace=NAMESPACE):
    import_module("deployments.gateway")
    # What was imported stays: the garbage collector need not look at it again.
    gc.freeze()
