"""What waits and what connects, for the client that blocks. `aio.runtime` has the same names."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from dataml.client.http_library import httpx

HttpClient = httpx.Client
HttpTransport = httpx.BaseTransport
Lock = threading.Lock
sleep = time.sleep
_T = TypeVar("_T")


def run_in_thread(function: Callable[..., _T], *arguments: Any) -> _T:
    """Return what a function that blocks returns."""
    return function(*arguments)


def iterate(source: Iterator[_T]) -> Iterator[_T]:
    """Iterate over what blocks."""
    return source
