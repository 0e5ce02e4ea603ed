"""No secret gets into a log, whoever logs it and however."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from dataml import redaction
from dataml.access.passwords import hash_password
from dataml.access.tokens import TokenKeys

TOKEN = TokenKeys(b"k" * 32).sign(7, 8, 60)
KEY = "dataml_" + "Zx-_9" * 9
SECRET = "s3cret-p@ss word"


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger of somebody else's, and what it has written."""
    before = logging.getLogRecordFactory()
    redaction.install()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("somebody.else")
    logger.addHandler(handler)
    yield logger, written
    logger.removeHandler(handler)
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"got {TOKEN} from", "got [redacted] from"),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer [redacted]"),
        ("authorization: bearer abc.def-ghi", "authorization: bearer [redacted]"),
        ("Authorization: Basic YWRtaW46YWRtaW4=", "Authorization: Basic [redacted]"),
        (f"key {KEY}.", "key [redacted]."),
        ("POST /api/v1/refresh?refresh_token=abc&x=1", "POST /api/v1/refresh?refresh_token=[redacted]&x=1"),
        (
            "?user_name=jane&new_password=Abc%21&current_password=d",
            "?user_name=jane&new_password=[redacted]&current_password=[redacted]",
        ),
        (json.dumps({"username": "jane", "password": SECRET}), '{"username": "jane", "password": [redacted]}'),
        (repr({"password": SECRET, "a": 1}), "{'password': [redacted], 'a': 1}"),
        ("password = hunter2, next", "password = [redacted], next"),
        ("postgresql+psycopg://dataml:hunter2@db/dataml", "postgresql+psycopg://dataml:[redacted]@db/dataml"),
        (
            "DATAML_ADMIN_PASSWORD=hunter2 PGPASSWORD=hunter2 x",
            "DATAML_ADMIN_PASSWORD=[redacted] PGPASSWORD=[redacted] x",
        ),
        ("?new_password=abc,def;g)h&x=1", "?new_password=[redacted]&x=1"),
        (r'{"password": "abc\"def", "a": 1}', '{"password": [redacted], "a": 1}'),
        ("postgresql://u:pa/ss@w@rd@h/d", "postgresql://u:[redacted]@h/d"),
        ("no password was given", "no password was given"),
        ("the bearer of news", "the bearer of news"),
        ("http://host:8000/a@b", "http://host:8000/a@b"),
        ("dataml_home is /x", "dataml_home is /x"),
    ],
    ids=lambda text: text[:30],
)
def test_only_the_secret_is_redacted(text: str, hidden: str) -> None:
    assert redaction.redact(text) == hidden


def test_password_hash_is_redacted() -> None:
    assert redaction.redact(f"row ('{hash_password(SECRET)}', 1)") == "row ('[redacted]', 1)"


def test_log_arguments_are_redacted(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log
    logger.warning("%s sent %r for %d", "jane", {"password": SECRET}, 3)
    assert written.getvalue() == "WARNING jane sent {'password': [redacted]} for 3\n"


def test_traceback_is_redacted(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log
    try:
        try:
            raise ValueError(f"password={SECRET.split()[0]}")
        except ValueError as error:
            raise RuntimeError(f"token {TOKEN}") from error
    except RuntimeError:
        logger.exception("failed with %s", KEY)
    text = written.getvalue()
    assert "ERROR failed with [redacted]" in text
    assert "RuntimeError: token [redacted]" in text
    assert "ValueError: password=[redacted]" in text
    for secret in (TOKEN, KEY, SECRET.split()[0]):
        assert secret not in text.replace('f"password={SECRET', "")


def test_log_call_with_wrong_arguments_is_redacted(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log
    logger.warning("%d is " + KEY, "no number")
    assert KEY not in written.getvalue()
    assert "[redacted]" in written.getvalue()


def test_second_installation_has_no_effect() -> None:
    before = logging.getLogRecordFactory()
    try:
        redaction.install()
        first = logging.getLogRecordFactory()
        redaction.install()
        assert logging.getLogRecordFactory() is first
    finally:
        logging.setLogRecordFactory(before)
