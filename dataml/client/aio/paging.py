"""Lists of the API, which come in pages, as one list."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

PAGE_ROWS: Final = 1000


async def fetch_all(list_page: Callable[..., Awaitable[Any]], limit: int | None = None, **filters: Any) -> list[Any]:
    """Return the rows of all pages, or at most `limit`; `list_page` gets the filters, a limit and an offset."""
    rows: list[Any] = []
    while limit is None or len(rows) < limit:
        size = PAGE_ROWS if limit is None else min(PAGE_ROWS, limit - len(rows))
        data = (await list_page(**filters, limit=size, offset=len(rows)))["data"]
        rows += data
        if len(data) < size:
            break
    return rows
