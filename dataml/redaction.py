"""Redaction of secrets: every log record of a process is filtered here before it is written."""

import logging
import re
import traceback
from functools import wraps
from typing import Any, Final

_HIDDEN: Final = "[redacted]"
_NAMED = "refresh_token|access_token|current_password|new_password|admin_password|password|passwd|client_secret|api_key"
# Each pattern has a group for what stays in front of the secret. Every repetition is bounded, so that a search takes
# time in proportion to the length of the text.
_SECRETS: Final = (
    # A JWT, and an API key of this platform, anywhere.
    re.compile(r"()\beyJ[\w-]{5,2000}\.[\w-]{1,2000}\.[\w-]{0,2000}"),
    re.compile(r"()\bdataml_[\w-]{20,200}"),
    # An Argon2 hash.
    re.compile(r"()\$argon2id?\$[^\s'\"]{1,500}"),
    # Authorization: Bearer ..., and Basic ...
    re.compile(r"(\b(?:bearer|basic)\s{1,20})[\w.~+/=-]{6,8000}", re.IGNORECASE),
    # ...?password=...&..., to the end of the parameter.
    re.compile("([?&](?:" + _NAMED + r""")=)[^\s&"'#]{0,4000}""", re.IGNORECASE),
    # PGPASSWORD=..., "password": "...", in a form, JSON or a repr.
    re.compile(
        "((?:" + _NAMED + r""")['"]?\s{0,20}[=:]\s{0,20}b?)(?!\[redacted\])"""
        r"""(?:"(?:\\.|[^"\\]){0,4000}"|'(?:\\.|[^'\\]){0,4000}'|[^\s&,;)}\]]{1,4000})""",
        re.IGNORECASE,
    ),
    # postgresql://user:password@host
    re.compile(r"(\b[\w+]{1,30}://[^\s:/@]{0,100}:)(?!\d{1,5}/)[^\s]{1,500}(?=@)"),
)


def redact(text: str) -> str:
    """Return the text with every secret in it replaced."""
    for secret in _SECRETS:
        text = secret.sub(rf"\1{_HIDDEN}", text)
    return text


def install() -> None:
    """Redact every record that is logged in this process from now on; safe to repeat."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    @wraps(make)
    def make_redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        _redact_record(record)
        return record

    make_redacted.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_redacted)


def _redact_record(record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except (TypeError, ValueError):
        # The logger was called with arguments that do not fit; its handler reports them.
        message, record.args = str(record.msg), None
        record.msg = redact(message)
    hidden = redact(message)
    if hidden != message:
        record.msg, record.args = hidden, None
    if record.exc_info and record.exc_info[0] is not None:
        # Formatters use the text that is set already.
        record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
