"""Hooks of Schemathesis: parameters name something that exists, half of the time, and no request waits for long."""

import json
import os
from typing import Any

import schemathesis

from dataml.jobs.waiting import MAX_WAIT_S

_KNOWN: dict[str, Any] = json.loads(os.environ["FUZZ_KNOWN_NAMES"])


def _is_replaced(value: object) -> bool:
    # A choice that Hypothesis can repeat.
    return sum(repr(value).encode()) % 2 == 0


def _with_known(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if not isinstance(values, dict):
        return values
    return {name: _KNOWN[name] if name in _KNOWN and _is_replaced(value) else value for name, value in values.items()}


def _with_short_wait(query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a query whose valid `wait`, in seconds, is divided by 100: a job may take long."""
    if not isinstance(query, dict) or "wait" not in query:
        return query
    try:
        wait_s = float(query["wait"])
    except (TypeError, ValueError):
        return query
    return query | {"wait": wait_s / 100} if 0 < wait_s <= MAX_WAIT_S else query


def _without_own_session(values: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return parameters in which an id of a session is that of another user: the run would end with its own session."""
    if not isinstance(values, dict) or not str(values.get("session_id", "")).strip().isdecimal():
        return values
    return values | {"session_id": _KNOWN["session_id"]}


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    return _without_own_session(_with_known(path_parameters))


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    return _with_short_wait(_with_known(query))


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    return _with_known(body)
