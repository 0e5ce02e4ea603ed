"""Injects faults into a platform under load, checks that nothing is lost, and prints a table of times to service.

    python -m tests.chaos [--seconds N] [--seed S] [--fault NAME ...] [--short]

It exits with 1 when something that was acknowledged is lost, a job did not end well, an answer was not documented, or
something is left behind. A time to service above its target is printed, and fails nothing: the machine may be slow.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.chaos import checks
from tests.chaos.faults import FAULTS, NEED_SMALL_DISK, SHORT, Fault
from tests.chaos.load import Load
from tests.chaos.probes import Prober, outcomes, time_to_service
from tests.chaos.running_platform import RunningPlatform

_RECOVERED_FOR_S = 3.0
_RECOVERY_TIMEOUT_S = 180.0
_PAUSE_S = (1.0, 6.0)
_SMALL_DISK = "600m"


@dataclass
class Measured:
    """All injections of one fault: the time to service of each, and the outcomes of probes that failed."""

    times_s: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)


def main() -> int:
    """Run the program, and return its exit code."""
    options = _parse()
    # So that nothing is left when this program is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="dataml-chaos-") as folder, _home(Path(folder)) as (home, is_small):
        names = list(options.fault or (SHORT if options.short else FAULTS))
        left_out = [name for name in names if name in NEED_SMALL_DISK and not is_small]
        faults = [FAULTS[name] for name in names if name not in left_out]
        print(f"seed {options.seed}, {options.seconds} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        log = Path(options.log or f"{folder}/up.log")
        platform = RunningPlatform(home, log)
        try:
            measured, load, wrong = _run(platform, faults, options)
        finally:
            platform.kill_all()
        _print_table(faults, measured)
        print(f"\n{checks.summary(load.ledger)}\n")
        for name in left_out:
            print(f"left out: {name}; it needs to mount a small disk")
        for text in wrong[:50]:
            print(f"- {text}")
        print(f"{len(wrong)} violations" if wrong else "nothing lost, nothing doubled, nothing left behind")
    return 1 if wrong else 0


def _run(
    platform: RunningPlatform, faults: list[Fault], options: argparse.Namespace
) -> tuple[dict[str, Measured], Load, list[str]]:
    """Return the times to service, the load, and everything that is wrong afterwards."""
    platform.start()
    load = Load(platform.url, options.seed)
    load.prepare()
    load.start()
    probers = [_probe(name, request, load) for name, request in load.probe_requests().items()]
    measured = _inject_all(platform, faults, probers, options)
    for prober in probers:
        prober.stop()
    load.stop()
    wrong = [*load.ledger.violations, *checks.check_acknowledged(load)]
    exit_code = platform.stop()
    wrong += [f"dataml up ended with {exit_code}"] if exit_code else []
    for check in (checks.check_database, checks.check_leftovers, checks.check_files):
        wrong += check(platform)
    return measured, load, wrong


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=int, default=0, help="how long faults are injected; each at least once")
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one; may be given again")
    parser.add_argument("--short", action="store_true", help=f"only {', '.join(SHORT)}")
    parser.add_argument("--log", metavar="FILE", help="keep the platform's output here")
    return parser.parse_args()


@contextmanager
def _home(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Yield a home, and whether it is a disk of its own that may be filled."""
    home = folder / "home"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK}", "tmpfs", str(home)]
    is_small = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield home, is_small
    finally:
        if is_small:
            subprocess.run(["umount", "--lazy", str(home)], check=False)


def _probe(name: str, request: dict[str, Any], load: Load) -> Prober:
    return Prober(name, lambda: httpx.request(timeout=40.0, **request), load.ledger)


def _inject_all(
    platform: RunningPlatform, faults: list[Fault], probers: list[Prober], options: argparse.Namespace
) -> dict[str, Measured]:
    """Inject every fault once in random order, and random ones until the time is over."""
    chosen = random.Random(options.seed)
    measured = {fault.name: Measured() for fault in faults}
    queue = chosen.sample(faults, len(faults))
    deadline = time.monotonic() + options.seconds
    while queue or time.monotonic() < deadline:
        fault = queue.pop() if queue else chosen.choice(faults)
        time.sleep(chosen.uniform(*_PAUSE_S))
        began_at = time.monotonic()
        fault.inject(platform)
        _await_service(probers, fault.name, time.monotonic())
        probes = [probe for prober in probers for probe in prober.since(began_at)]
        taken_s = time_to_service(probes, began_at)
        measured[fault.name].times_s.append(taken_s)
        measured[fault.name].failed += outcomes(probes)
        mark = "" if taken_s <= fault.target_s else f" (target {fault.target_s:g} s)"
        print(f"{fault.name}: service after {taken_s:.1f} s{mark}; {dict(outcomes(probes))}", flush=True)
    return measured


def _await_service(probers: list[Prober], name: str, ended_at: float) -> None:
    """Wait until all probes have succeeded for some seconds; a fault may show only a moment after it has ended."""
    while time.monotonic() < ended_at + _RECOVERED_FOR_S or not all(p.is_serving(_RECOVERED_FOR_S) for p in probers):
        if time.monotonic() > ended_at + _RECOVERY_TIMEOUT_S:
            raise SystemExit(f"{name}: no service after {_RECOVERY_TIMEOUT_S:.0f} s")
        time.sleep(0.1)


def _print_table(faults: list[Fault], measured: dict[str, Measured]) -> None:
    print("\n| fault | injected | target | median | longest | probes that failed |\n|---|---|---|---|---|---|")
    for fault in faults:
        times_s = sorted(measured[fault.name].times_s)
        failed = ", ".join(f"{n} x {what}" for what, n in sorted(measured[fault.name].failed.items())) or "none"
        median = times_s[len(times_s) // 2]
        figures = f"{len(times_s)} | {fault.target_s:g} s | {median:.1f} s | {times_s[-1]:.1f} s"
        print(f"| {fault.name} | {figures} | {failed} |")


if __name__ == "__main__":
    sys.exit(main())
