"""What the documented calls have answered during a test, and what a test declares to show of them."""

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.client import API
from tests.reference.calls import CALLS

# The second path of a call that has two.
ALIASES = {"POST /inference/batch-prediction": "POST /inference/batchPrediction"}


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "/?")


_PATTERNS = {call: _pattern(call.partition(" ")[2]) for call in [*CALLS, *ALIASES]}


def name_call(method: str, path: str) -> str | None:
    """Return the documented call that a request is, or None."""
    fitting = [
        call
        for call, pattern in _PATTERNS.items()
        if call.startswith(f"{method} ") and pattern.fullmatch(path.removeprefix(API))
    ]
    # `/template/list` is not the template with the id `list`.
    call = min(fitting, key=lambda name: name.count("{"), default=None)
    return ALIASES.get(call, call) if call else None


class Record:
    """The answers of the documented calls since the test began; only those of success."""

    def __init__(self) -> None:
        self._answers: dict[str, list[Any]] = {}

    def clear(self) -> None:
        self._answers.clear()

    def add(self, call: str, answer: Any) -> None:
        self._answers.setdefault(call, []).append(answer)

    def replay(self, answer: httpx.Response) -> None:
        """Add an answer from before the test, which a fixture has kept."""
        call = name_call(answer.request.method, answer.request.url.path)
        assert call is not None
        self.add(call, answer.json())

    def answers(self, call: str) -> list[Any]:
        return self._answers.get(call, [])

    def values(self, call: str, field: str) -> set[str]:
        """Return the values that a field had, each as JSON."""
        return {
            json.dumps(value, sort_keys=True)
            for answer in self.answers(call)
            for value in _read(answer, re.findall(r"\[\]|[^.\[\]]+", field))
        }


def _read(part: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield part
    elif path[0] == "[]":
        for element in part:
            yield from _read(element, path[1:])
    else:
        assert path[0] in part, f"{path[0]} is missing in {part!r:.300}"
        yield from _read(part[path[0]], path[1:])


RECORD = Record()


class RecordingApp:
    """The application, and a record of what it answers."""

    def __init__(self, app: ASGIApp, record: Record = RECORD) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = name_call(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if call is None:
            await self._app(scope, receive, send)
            return
        status, content_type, body = 0, b"", bytearray()

        async def keep(message: Message) -> None:
            nonlocal status, content_type
            if message["type"] == "http.response.start":
                status, content_type = message["status"], dict(message["headers"]).get(b"content-type", b"")
            else:
                body.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, keep)
        if 200 <= status < 300:
            is_json = content_type.startswith(b"application/json")
            self._record.add(call, json.loads(bytes(body)) if is_json else None)


@dataclass(frozen=True)
class Shown:
    """What a test shows of a call: that it answers, and that these fields have more than one value."""

    call: str
    fields: tuple[str, ...]


def shows(call: str, *fields: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare that a test makes a call, and sees two values of these fields at least, or of all that can have two.

    The test fails if that is not so.
    """
    varying = fields or CALLS[call].varying
    unknown = set(varying) - set(CALLS[call].varying)
    assert not unknown, f"{call} documents no field {unknown} that varies"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def checked(*arguments: Any, **fixtures: Any) -> None:
            test(*arguments, **fixtures)
            assert RECORD.answers(call), f"the test does not make the call {call}"
            seen = {field: RECORD.values(call, field) for field in varying}
            single = {field: values for field, values in seen.items() if len(values) < 2}
            assert not single, f"{call} has answered with one value only: {single}"
            constant = {field: RECORD.values(call, field) for field in CALLS[call].constant}
            several = {field: values for field, values in constant.items() if len(values) > 1}
            assert not several, f"{call} has answered with more than one value: {several}"

        checked.shown = [*getattr(test, "shown", []), Shown(call, varying)]  # type: ignore[attr-defined]
        return checked

    return decorate
