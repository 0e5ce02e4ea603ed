"""A source is parsed rightly while other threads parse."""

import ast
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.source import parse

SOURCE = ("x = " + "(1 + f(" * 20 + "1" + "))" * 20 + "\n") * 40


@contextmanager
def parsing_thread() -> Iterator[None]:
    """Parse in another thread, to which every garbage collection switches."""
    stop = threading.Event()

    def parse_on() -> None:
        while not stop.is_set():
            # Disturbed itself by the parser of the test, it goes on.
            try:
                ast.parse("x = 1")
            except SystemError:
                continue

    def switch(phase: str, info: dict[str, int]) -> None:
        for _ in range(200):
            pass

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=parse_on)
    gc.callbacks.append(switch)
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
        gc.callbacks.remove(switch)


def test_another_thread_that_parses_disturbs_nothing() -> None:
    disturbed = 0
    with parsing_thread():
        for _ in range(100):
            # Not raised here: to report a failure, pytest parses while that thread still does.
            try:
                parse(SOURCE)
            except SystemError:
                disturbed += 1
    assert disturbed == 0
    assert gc.isenabled()
