"""Lists of the API, which come in pages, as one list."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

PAGE_ROWS: Final = 1000


async def fetch_all(page: Callable[[int, int], Awaitable[Any]], limit: int | None = None) -> list[Any]:
    """Return the rows of all pages, or at most `limit`; `page` gets a limit and an offset."""
    rows: list[Any] = []
    while limit is None or len(rows) < limit:
        size = PAGE_ROWS if limit is None else min(PAGE_ROWS, limit - len(rows))
        data = (await page(size, len(rows)))["data"]
        rows += data
        if len(data) < size:
            break
    return rows
