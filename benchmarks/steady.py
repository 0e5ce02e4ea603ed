"""A steady rate of predictions while a training, an upload of 100 MB and a redeployment happen.

Requests are sent when they are due, whether or not earlier ones are answered; their time counts from then. `SECONDS`
and `RATE` are another length and number of requests a second.
"""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

import dataml
from benchmarks.platform_run import CHURN, await_own_deployment, churn_request, running_platform, train_churn

PORT: Final = 8178
_UPLOAD_BYTES: Final = 100_000_000
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class Answer:
    """An answer: when its request was due, how long it took, and its status, which is 0 where there was none."""

    due_at: float
    ms: float
    status: int


@dataclass
class SteadyLoad:
    """A thread that sends one request at a constant rate, over as many connections as are needed at a time."""

    url: str
    body: dict[str, Any]
    token: str
    rate: float
    answers: list[Answer] = field(default_factory=list)
    _free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send until the block ends, and wait for the last answers."""
        thread = threading.Thread(target=lambda: asyncio.run(self._send_all()))
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    async def _send_all(self) -> None:
        content = orjson.dumps(self.body)
        address = urlsplit(self.url)
        head = (
            f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        request = head.encode() + content
        due_at = time.monotonic()
        sent: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            due_at += 1 / self.rate
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            task = asyncio.create_task(self._send(request, due_at))
            sent.add(task)
            task.add_done_callback(sent.discard)
        await asyncio.gather(*sent)
        for _, writer in self._free:
            writer.close()

    async def _send(self, request: bytes, due_at: float) -> None:
        status = 0
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                status = await self._exchange(request)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            pass
        self.answers.append(Answer(due_at, 1000 * (time.monotonic() - due_at), status))

    async def _exchange(self, request: bytes) -> int:
        address = urlsplit(self.url)
        reader, writer = (
            self._free.pop() if self._free else await asyncio.open_connection(address.hostname, address.port)
        )
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            await reader.readexactly(int(fields[b"content-length"]))
        except BaseException:
            writer.close()
            raise
        if fields.get(b"connection") == b"close":
            writer.close()
        else:
            self._free.append((reader, writer))
        return int(head.split(b" ", 2)[1])


def steady(folder: Path) -> None:
    """Print how many requests failed and how long they took, as a whole and beside each event."""
    seconds, rate = int(os.environ.get("SECONDS", "600")), float(os.environ.get("RATE", "200"))
    source = _write_large_csv(folder)
    with running_platform(folder / "home", PORT) as client:
        dataset = client.datasets.upload(CHURN, "churn")
        train_churn(client, dataset, "churn", "LightGBM")
        options: Any = {"id": "customer_id", "problem_type": "Classification", "algorithm": "LightGBM"}
        model = client.train(dataset, "churn", name="churn", new_version=True, **options)
        await_own_deployment(model)
        body = {"features": churn_request(model)["features"]}
        url = f"{client.url}{model.info['endpoint_url']}"
        load = SteadyLoad(url, body, client.transport.session.token(), rate)
        spans: dict[str, tuple[float, float]] = {}
        with load.running():
            began_at = time.monotonic()
            for number, (name, act) in enumerate(_events(client, dataset, source)):
                _sleep_until(began_at + seconds * (1 + 2 * number) / 7)
                event_at = time.monotonic()
                act()
                spans[name] = (event_at, time.monotonic())
            _sleep_until(began_at + seconds)
    print(f"{rate:.0f} requests a second for {seconds} s, to the direct route")
    _print("all", load.answers)
    for name, (start, end) in spans.items():
        _print(f"{name} ({end - start:.1f} s)", [each for each in load.answers if start <= each.due_at <= end + 1])
    quiet = [each for each in load.answers if not any(start <= each.due_at <= end + 1 for start, end in spans.values())]
    _print("beside none of them", quiet)


def _events(client: dataml.Client, dataset: dataml.Dataset, source: Path) -> list[tuple[str, Any]]:
    def redeploy() -> None:
        client.predictors.get("churn").promote(1, "A redeployment under load.")
        await_own_deployment(client.models.get("churn", version=1))

    return [
        ("a training (auto)", lambda: train_churn(client, dataset, "other")),
        ("an upload of 100 MB", lambda: client.datasets.upload(source, "large")),
        ("a redeployment", redeploy),
    ]


def _write_large_csv(folder: Path) -> Path:
    head, *lines = CHURN.read_bytes().splitlines(keepends=True)
    rows = b"".join(lines)
    path = folder / "large.csv"
    path.write_bytes(head + rows * (_UPLOAD_BYTES // len(rows) + 1))
    return path


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _print(label: str, answers: list[Answer]) -> None:
    if not answers:
        print(f"{label}: no requests")
        return
    times_ms = sorted(each.ms for each in answers)
    failed = [each.status for each in answers if each.status != 200]
    p50, p99 = (times_ms[int(len(times_ms) * share)] for share in (0.5, 0.99))
    statuses = f" {sorted(set(failed))}" if failed else ""
    print(
        f"{label}: {len(answers):,} requests, {len(failed)} failed{statuses} (0), p50 {p50:.1f} ms, p99 {p99:.1f} ms "
        f"(at most 100), slowest {times_ms[-1]:.0f} ms",
        flush=True,
    )
