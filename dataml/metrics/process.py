"""Memory and processor time of a process of the platform."""

import os
import uuid
from functools import cache
from typing import Literal

import psutil

from dataml.metrics.definitions import PROCESS_CPU, PROCESS_MEMORY, PROCESSES, RECORDED
from dataml.metrics.recording import Recording, take_recording

ProcessKind = Literal["api", "pool", "predictor", "supervisor", "worker"]


class ProcessRecorder:
    """Takes the recordings of this process, with its memory and processor time."""

    def __init__(self, kind: ProcessKind) -> None:
        self._kind = kind
        self._name = f"{kind}-{uuid.uuid4().hex}"
        self._cpu_s = 0.0

    def take(self) -> Recording:
        """Return what this process has recorded since the last call."""
        used = _this_process().cpu_times()
        cpu_s = used.user + used.system
        PROCESS_CPU.add(self._kind, amount=cpu_s - self._cpu_s)
        self._cpu_s = cpu_s
        PROCESSES.set(1.0, self._kind)
        PROCESS_MEMORY.set(float(_this_process().memory_info().rss), self._kind)
        return take_recording(self._name, RECORDED)


@cache
def _this_process() -> psutil.Process:
    return psutil.Process(os.getpid())
