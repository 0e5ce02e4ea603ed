"""A database that is away is logged when the outage begins and when it ends, and not at each request."""

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from dataml.db import outage_log
from dataml.db.outage_log import OutageLog
from tests.client import Client

BEGINNING = "The database does not answer: OperationalError: disk I/O error"


@contextmanager
def database_away() -> Iterator[None]:
    """Let every statement of this process fail."""

    def fail(*_: object) -> None:
        raise OperationalError("a statement", {}, sqlite3.OperationalError("disk I/O error"))

    event.listen(Engine, "before_cursor_execute", fail)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", fail)


def test_an_outage_is_logged_at_its_beginning_and_its_end(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outage_log, "QUIET_S", 0.1)
    # A supervisor and an API share the process of this test: each has a database of its own.
    with database_away():
        for _ in range(20):
            answer = client.get("/dataset/list")
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            answer = client.post("/template/", json={"template_name": "a", "template_schema": []})
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        time.sleep(1.5)  # The supervisor meets the outage in its next round.
    beginnings = [record for record in caplog.records if record.getMessage() == BEGINNING]
    assert len(beginnings) == 2
    assert [record for record in caplog.records if record.exc_info] == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == beginnings
    caplog.clear()
    time.sleep(0.2)
    for _ in range(5):
        assert client.get("/dataset/list").status_code == 200
    time.sleep(1.5)
    endings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(endings) == 2
    assert all(text.startswith("The database answers again: ") for text in endings)


def test_failures_are_counted_and_a_success_between_them_ends_no_outage(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outage_log, "QUIET_S", 0.2)
    log = OutageLog()
    log.record_success()
    for _ in range(3):
        log.record_failure(OperationalError("SELECT secret", {}, sqlite3.OperationalError("database is locked")))
        log.record_success()
    log.record_failure(TimeoutError("late\nand more"))
    time.sleep(0.3)
    log.record_success()
    log.record_failure(TimeoutError("late\nand more"))
    assert caplog.messages == [
        "The database does not answer: OperationalError: database is locked",
        "The database answers again: 4 operations have failed within 0 s",
        "The database does not answer: TimeoutError: late",
    ]
