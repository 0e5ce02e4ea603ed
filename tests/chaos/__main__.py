"""Injects faults into a platform under load, checks that nothing is lost, and prints a table of times to service.

    python -m tests.chaos [--seconds N] [--seed S] [--fault NAME ...] [--short]
    python -m tests.chaos --kills N [--jobs N] [--writes N] [--seed S]

The second form only kills processes. It ends when so many were killed and the load has had so many jobs and writes
acknowledged; the kills are spread over them.

It exits with 1 when something that was acknowledged is lost, a job did not end well, an answer was not documented, or
something is left behind. A time to service above its target is printed, and fails nothing: the machine may be slow.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import checks
from tests.chaos.clock import compiled_clock
from tests.chaos.disk import mounted_disk
from tests.chaos.faults import FAULTS, KILLS, NEED_CLOCK, NEED_DISK, SHORT, Fault
from tests.chaos.load import Load
from tests.chaos.probes import Probe, Prober, outcomes, slowest_s, time_to_service
from tests.chaos.running_platform import RunningPlatform

_RECOVERED_FOR_S = 3.0
_RECOVERY_TIMEOUT_S = 180.0
_PAUSE_S = (1.0, 6.0)
_COUNTS_TIMEOUT_S = 3600.0
_DISK_REASON = "it needs to mount a small disk"
_CLOCK_REASON = "it needs a C compiler"


@dataclass
class Measured:
    """All injections of one fault: the time to service and the slowest answer of each, and how probes failed."""

    times_s: list[float] = field(default_factory=list)
    slowest_s: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)


def main() -> int:
    """Run the program, and return its exit code."""
    options = _parse()
    # So that nothing is left when this program is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="dataml-chaos-") as folder, ExitStack() as stack:
        home = Path(folder) / "home"
        home.mkdir()
        disk = stack.enter_context(mounted_disk(Path(folder), home))
        names = list(options.fault or (SHORT if options.short else KILLS if options.kills else FAULTS))
        clock = compiled_clock(Path(folder)) if NEED_CLOCK.intersection(names) else None
        left_out = {name: _DISK_REASON for name in names if name in NEED_DISK and disk is None}
        left_out |= {name: _CLOCK_REASON for name in names if name in NEED_CLOCK and clock is None}
        faults = [FAULTS[name] for name in names if name not in left_out]
        length = f"{options.kills} kills" if options.kills else f"{options.seconds} s"
        print(f"seed {options.seed}, {length}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        log = Path(options.log or f"{folder}/up.log")
        platform = RunningPlatform(home, log, disk, clock)
        try:
            measured, load, wrong = _run(platform, faults, options)
        finally:
            platform.remove()
        _print_table(faults, measured)
        print(f"\n{checks.summary(load.ledger)}\n")
        for name, reason in left_out.items():
            print(f"left out: {name}; {reason}")
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
    platform.own_application = load.own_application
    load.start()
    probers = [Prober(name, platform.url, request, load.ledger) for name, request in load.probe_requests().items()]
    measured = _inject_all(platform, load, faults, probers, options)
    for prober in probers:
        prober.stop()
    load.stop()
    return measured, load, checks.stop_and_check(platform, load)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=int, default=0, help="how long faults are injected; each at least once")
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one; may be given again")
    parser.add_argument("--short", action="store_true", help=f"only {', '.join(SHORT)}")
    parser.add_argument("--kills", type=int, default=0, help="only kill processes, this often")
    parser.add_argument("--jobs", type=int, default=0, help="with --kills: go on until so many jobs were acknowledged")
    parser.add_argument("--writes", type=int, default=0, help="with --kills: go on until so many writes were")
    parser.add_argument("--log", metavar="FILE", help="keep the platform's output here")
    options = parser.parse_args()
    if (options.jobs or options.writes) and not options.kills:
        parser.error("--jobs and --writes need --kills")
    return options


def _inject_all(
    platform: RunningPlatform, load: Load, faults: list[Fault], probers: list[Prober], options: argparse.Namespace
) -> dict[str, Measured]:
    """Inject every fault once in random order, and random ones until the time is over or the numbers are reached."""
    chosen = random.Random(options.seed)
    measured = {fault.name: Measured() for fault in faults}
    queue = chosen.sample(faults, len(faults))
    deadline = time.monotonic() + options.seconds
    injected = 0
    before = load.ledger.counts()
    while injected < options.kills if options.kills else queue or time.monotonic() < deadline:
        fault = queue.pop() if queue else chosen.choice(faults)
        time.sleep(chosen.uniform(*_PAUSE_S))
        _await_counts(load, before, options, injected / max(options.kills, 1))
        began_at = time.monotonic()
        fault.inject(platform)
        _await_service(probers, fault.name, time.monotonic())
        probes = [probe for prober in probers for probe in prober.since(began_at)]
        _record(measured[fault.name], fault, probes, began_at)
        injected += 1
    _await_counts(load, before, options, 1.0)
    if options.kills:
        reached = load.ledger.counts() - before
        print(f"{injected} kills during {reached['jobs']} jobs and {reached['writes']} writes", flush=True)
    return measured


def _record(measured: Measured, fault: Fault, probes: list[Probe], began_at: float) -> None:
    taken_s = time_to_service(probes, began_at)
    measured.times_s.append(taken_s)
    measured.slowest_s.append(slowest_s(probes))
    measured.failed += outcomes(probes)
    mark = "" if taken_s <= fault.target_s else f" (target {fault.target_s:g} s)"
    slowest = f"slowest answer {measured.slowest_s[-1]:.1f} s"
    print(f"{fault.name}: service after {taken_s:.1f} s{mark}; {slowest}; {dict(outcomes(probes))}", flush=True)


def _await_counts(load: Load, before: Counter[str], options: argparse.Namespace, share: float) -> None:
    """Wait until this share of the jobs and writes that are asked for was acknowledged."""
    deadline = time.monotonic() + _COUNTS_TIMEOUT_S
    while any(load.ledger.counts()[what] - before[what] < share * getattr(options, what) for what in before):
        if time.monotonic() > deadline:
            raise SystemExit(f"no progress of the load within {_COUNTS_TIMEOUT_S:.0f} s: {load.ledger.counts()}")
        time.sleep(0.1)


def _await_service(probers: list[Prober], name: str, ended_at: float) -> None:
    """Wait until all probes have succeeded for some seconds; a fault may show only a moment after it has ended."""
    while time.monotonic() < ended_at + _RECOVERED_FOR_S or not all(p.is_serving(_RECOVERED_FOR_S) for p in probers):
        if time.monotonic() > ended_at + _RECOVERY_TIMEOUT_S:
            raise SystemExit(f"{name}: no service after {_RECOVERY_TIMEOUT_S:.0f} s")
        time.sleep(0.1)


def _print_table(faults: list[Fault], measured: dict[str, Measured]) -> None:
    print("\n| fault | injected | target | median | longest | slowest answer | probes that failed |")
    print("|---|---|---|---|---|---|---|")
    for fault in faults:
        of = measured[fault.name]
        if not of.times_s:
            continue
        times_s = sorted(of.times_s)
        failed = ", ".join(f"{n} x {what}" for what, n in sorted(of.failed.items())) or "none"
        seconds = [fault.target_s, times_s[len(times_s) // 2], times_s[-1], max(of.slowest_s)]
        figures = " | ".join(f"{value:.3g} s" for value in seconds)
        print(f"| {fault.name} | {len(times_s)} | {figures} | {failed} |")


if __name__ == "__main__":
    sys.exit(main())
