"""The log of one attempt at a job, for the user whose job it is: what it did when, warnings, and why it failed."""

import logging
import re
import threading
import time
from collections import deque
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from dataml.errors import Unavailable
from dataml.jobs.spec import Attempt
from dataml.redaction import redact
from dataml.storage.logs import upload_log, write_log
from dataml.storage.storage import Storage

MAX_BYTES: Final = 200_000
"""Size of a log; beyond it the first lines are left out."""
_MAX_RECORD_CHARACTERS: Final = 8_000
_TRACEBACK_LINES: Final = 20
_WRITE_INTERVAL_S: Final = 2.0
_UPLOAD_INTERVAL_S: Final = 10.0
_LOGGERS: Final = ("dataml", "py.warnings")
_LEFT_OUT: Final = b"(Earlier lines are left out.)\n"
_DIGITS: Final = re.compile(r"[0-9][0-9,]*")
_COMPARED_LINES: Final = 4
# Where files lie on this machine is nothing for users: of those of the installation the package is kept, of others the
# name.
_FOLDER: Final = re.compile(r"""(?:/[^/\s"':]+)+/(?=(?:site-packages|python3\.[0-9]+|dataml)/)""")
_OTHER_FOLDER: Final = re.compile(r"""(?<![\w./:])/(?:[^/\s"':,()]+/)+""")


class AttemptLog:
    """Collects the records of this process while an attempt runs, and writes them to storage at intervals.

    A worker runs one job at a time, so all records are about it. What was written stays when the worker dies.
    """

    def __init__(self, storage: Storage, attempt: Attempt) -> None:
        self._storage = storage
        self._name = attempt.log_name
        # Each line, and what its message has besides numbers where it is about the progress.
        self._lines: deque[tuple[bytes, str | None]] = deque()
        self._size_bytes = 0
        self._is_cut = False
        self._lock = threading.Lock()
        self._handler = _Handler(self)
        self._has_new = False
        self._uploaded_at = 0.0
        self._ended = threading.Event()
        self._writing = threading.Thread(target=self._write_at_intervals, name="attempt-log", daemon=True)

    def __enter__(self) -> Self:
        """Begin to collect."""
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self._handler)
        self._writing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write all that was collected."""
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self._handler)
        self._ended.set()
        self._writing.join()
        self._write(is_last=True)

    def add(self, level: str, text: str) -> None:
        """Add a line, or several for a text of several lines."""
        with self._lock:
            self._append(level, text, None)

    def add_progress(self, message: str) -> None:
        """Add a line about the progress, in place of one of the last lines from which only numbers differ.

        Fits that run side by side take turns.
        """
        kind = _DIGITS.sub("0", message)
        with self._lock:
            for place in range(1, min(_COMPARED_LINES, len(self._lines)) + 1):
                if self._lines[-place][1] == kind:
                    self._size_bytes -= len(self._lines[-place][0])
                    del self._lines[-place]
                    break
            self._append("INFO", message, kind)

    def _append(self, level: str, text: str, kind: str | None) -> None:
        time_text = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        shown = _OTHER_FOLDER.sub("", _FOLDER.sub("", redact(text).replace(f"{self._storage.root}/", "")))
        line = f"{time_text} {level} {shown[:_MAX_RECORD_CHARACTERS]}\n".encode(errors="replace")
        self._lines.append((line, kind))
        self._size_bytes += len(line)
        while self._size_bytes > MAX_BYTES:
            self._size_bytes -= len(self._lines.popleft()[0])
            self._is_cut = True
        self._has_new = True

    def _write_at_intervals(self) -> None:
        while not self._ended.wait(_WRITE_INTERVAL_S):
            self._write(is_last=False)

    def _write(self, *, is_last: bool) -> None:
        with self._lock:
            if not self._has_new and not is_last:
                return
            content = (_LEFT_OUT if self._is_cut else b"") + b"".join(line for line, _ in self._lines)
            self._has_new = False
        try:
            write_log(self._storage, self._name, content)
            if is_last or time.monotonic() - self._uploaded_at >= _UPLOAD_INTERVAL_S:
                self._uploaded_at = time.monotonic()
                upload_log(self._storage, self._name)
        except (OSError, Unavailable):
            # The job goes on without its log: a disk may be full, or a store away.
            self._has_new = True


class _Handler(logging.Handler):
    def __init__(self, log: AttemptLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record to the log, with the last lines of its traceback."""
        try:
            text = record.getMessage().strip()
            trace = record.exc_text or (logging.Formatter().formatException(record.exc_info) if record.exc_info else "")
        except (TypeError, ValueError):
            return
        lines = trace.splitlines()[-_TRACEBACK_LINES:]
        self._log.add(record.levelname, "\n".join([text, *lines]))
