"""Runs a platform under a mixed load without faults, and shows whether its memory, handles or files grow.

    python -m tests.chaos.soak [--seconds N] [--pace X] [--log FILE]

The slopes are of a straight line through the samples after the first quarter, in which caches fill. It exits with 1
when an answer was not documented, something acknowledged is lost, or something is left behind.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from deployments.processes import find_processes
from tests.chaos import checks
from tests.chaos.load import Load
from tests.chaos.running_platform import COMMANDS, RunningPlatform, command_of

_INTERVAL_S: Final = 20.0
_MIB: Final = 1024**2


@dataclass
class Series:
    """What was measured of all processes of one kind, or of one folder: the moments in seconds, and the values."""

    at_s: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, at_s: float, value: float) -> None:
        """Add one sample."""
        self.at_s.append(at_s)
        self.values.append(value)

    def slope_per_hour(self) -> float:
        """Return how much the value grows in an hour, by least squares over all but the first quarter."""
        start = len(self.values) // 4
        if len(self.values) - start < 3:
            return float("nan")
        return float(np.polyfit(self.at_s[start:], self.values[start:], 1)[0]) * 3600


class Samples:
    """Series by what they are of: (kind of process, measure)."""

    def __init__(self) -> None:
        self.series: defaultdict[tuple[str, str], Series] = defaultdict(Series)

    def take(self, platform: RunningPlatform, at_s: float) -> None:
        """Measure every process of the platform, its private folder and its home."""
        totals: defaultdict[tuple[str, str], float] = defaultdict(float)
        for process in find_processes(platform.folder):
            try:
                kind = _kind_of(process)
                totals[kind, "memory, MiB"] += process.memory_full_info().pss / _MIB
                totals[kind, "handles"] += process.num_fds()
            except psutil.Error:
                continue
        for (kind, measure), value in totals.items():
            # Workers come and go with their jobs.
            if kind != "worker":
                self.series[kind, measure].add(at_s, value)
        for name, folder in (("session folder", platform.folder), ("home", platform.home)):
            self.series[name, "size, MiB"].add(at_s, _size(folder) / _MIB)
        self.series["all", "processes"].add(at_s, len(find_processes(platform.folder)))

    def print_table(self) -> None:
        """Print the first, the last and the largest value of each series, and its slope."""
        print("\n| of | measure | first | last | largest | per hour |\n|---|---|---|---|---|---|")
        for (kind, measure), series in sorted(self.series.items()):
            values = series.values
            figures = " | ".join(f"{value:.1f}" for value in (values[0], values[-1], max(values)))
            print(f"| {kind} | {measure} | {figures} | {series.slope_per_hour():+.1f} |")


def main() -> int:
    """Run the program, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--seconds", type=int, default=7200)
    parser.add_argument("--pace", type=float, default=1.0, help="2 sends twice as much")
    parser.add_argument("--log", metavar="FILE", help="keep the platform's output here")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="dataml-soak-") as folder:
        platform = RunningPlatform(Path(folder) / "home", Path(options.log or f"{folder}/up.log"))
        samples = Samples()
        try:
            load, wrong = _run(platform, samples, options)
        finally:
            # A run that is ended early has measured something, too.
            samples.print_table()
            platform.remove()
    print(f"\n{checks.summary(load.ledger)}\n")
    for text in wrong[:50]:
        print(f"- {text}")
    return 1 if wrong else 0


def _run(platform: RunningPlatform, samples: Samples, options: argparse.Namespace) -> tuple[Load, list[str]]:
    platform.start()
    load = Load(platform.url, seed=1, pace=options.pace)
    load.prepare()
    load.start()
    began_at = time.monotonic()
    while (at_s := time.monotonic() - began_at) < options.seconds:
        samples.take(platform, at_s)
        time.sleep(_INTERVAL_S)
    load.stop()
    return load, checks.stop_and_check(platform, load)


def _kind_of(process: psutil.Process) -> str:
    command = command_of(process)
    return next((kind for kind, part in COMMANDS.items() if part in command), "other")


def _size(folder: Path) -> int:
    """Return the bytes of all files below a folder; files that go meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_symlink() else path.stat().st_size
        except OSError:
            continue
    return total


if __name__ == "__main__":
    sys.exit(main())
