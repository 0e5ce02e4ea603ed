"""Probes: requests at short intervals, each over a connection of its own, that show when the platform serves."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import dataml
from tests.chaos.load import DOCUMENTED, Ledger, error_of
from tests.chaos.running_platform import TIMEOUT_S, connect, send

_INTERVAL_S = 0.1
_SLOW_S = 1.0


@dataclass(frozen=True)
class Probe:
    """One answer: when its request was sent and answered, by the monotonic clock, and the status or the error."""

    sent_at: float
    answered_at: float
    outcome: str

    @property
    def is_ok(self) -> bool:
        """Whether it is a success."""
        return self.outcome.startswith("2")


class Prober:
    """A thread that sends one request again and again, with the arguments of `Transport.send`."""

    def __init__(self, name: str, url: str, request: dict[str, Any], ledger: Ledger) -> None:
        self.name = name
        self._client = connect(url)
        # Each over a connection of its own.
        self._request: dict[str, Any] = request | {"headers": {"Connection": "close"}}
        self._ledger = ledger
        self._probes: list[Probe] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        self._thread.join(2 * TIMEOUT_S)

    def since(self, moment: float) -> list[Probe]:
        """Return what was answered since a moment."""
        return [probe for probe in list(self._probes) if probe.answered_at >= moment]

    def is_serving(self, for_s: float) -> bool:
        """Return whether the answers of the last seconds were all successes, and there were some."""
        recent = self.since(time.monotonic() - for_s)
        return len(recent) >= 3 and all(probe.is_ok for probe in recent)

    def _run(self) -> None:
        while not self._stopping.wait(_INTERVAL_S):
            sent_at = time.monotonic()
            try:
                answer = send(self._client.transport, **self._request)
                outcome = str(answer.status_code)
                if answer.status_code not in DOCUMENTED:
                    self._ledger.violate(f"{self.name}: {answer.status_code} {answer.text[:300]}")
            except dataml.ClientError as error:
                outcome = error_of(error)
            self._probes.append(Probe(sent_at, time.monotonic(), outcome))


def time_to_service(probes: list[Probe], began_at: float) -> float:
    """Return the seconds from the beginning of a fault to the end of the last request that failed or was slow."""
    late = [probe for probe in probes if not probe.is_ok or probe.answered_at - probe.sent_at > _SLOW_S]
    return max((probe.answered_at - began_at for probe in late), default=0.0)


def slowest_s(probes: list[Probe]) -> float:
    """Return the seconds that the slowest answer has taken."""
    return max((probe.answered_at - probe.sent_at for probe in probes), default=0.0)


def outcomes(probes: list[Probe]) -> Counter[str]:
    """Return how many probes had each outcome that is no success."""
    return Counter(probe.outcome for probe in probes if not probe.is_ok)
