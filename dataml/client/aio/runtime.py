"""What waits and what connects, for the client that awaits. `sync.runtime` has the same names."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from dataml.client.http_library import httpx

HttpClient = httpx.AsyncClient
HttpTransport = httpx.AsyncBaseTransport
Lock = asyncio.Lock
sleep = asyncio.sleep
_T = TypeVar("_T")


async def run_in_thread(function: Callable[..., _T], *arguments: Any) -> _T:
    """Return what a function that blocks returns."""
    return await asyncio.to_thread(function, *arguments)


async def iterate(source: Iterator[_T]) -> AsyncIterator[_T]:
    """Iterate over what blocks."""
    while (item := await asyncio.to_thread(next, source, None)) is not None:
        yield item
