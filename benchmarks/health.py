"""Health checks beside a load."""

import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import Self

import dataml
from benchmarks.platform_run import HEALTH_PATH, connect

_INTERVAL_S = 0.05


@dataclass
class HealthProbes:
    """Health checks in a thread, each over a connection of its own: their times in seconds, and how many failed."""

    url: str
    times_s: list[float] = field(default_factory=list)
    failed: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        client, headers = connect(self.url), {"Connection": "close"}
        while not self._stopping.wait(_INTERVAL_S):
            started = time.perf_counter()
            try:
                is_ok = client.transport.send("GET", HEALTH_PATH, headers=headers, signed=False).is_success
            except dataml.NotConnected:
                is_ok = False
            self.failed += not is_ok
            self.times_s.append(time.perf_counter() - started)

    def __str__(self) -> str:
        p50, p99 = (statistics.quantiles(self.times_s, n=100)[at - 1] for at in (50, 99))
        return f"{len(self.times_s)}, p50 {p50:.3f} s, p99 {p99:.3f} s, {self.failed} failed"
