"""A page of a list of the API: its rows, and the links to other pages, orders and filters of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from dataml.console.api import Api
from dataml.console.rendering import url

_LIMIT: Final = 50


@dataclass(frozen=True)
class Filter:
    """A filter that a list offers: the query of the API, its title, and its values."""

    name: str
    title: str
    choices: Sequence[str]


@dataclass(frozen=True)
class Listing:
    """Rows of a list. `query` is what the address of the page says of filters and order."""

    path: str
    query: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    total: int
    offset: int
    limit: int = _LIMIT

    @property
    def is_filtered(self) -> bool:
        """Whether a filter is set, so that an empty list does not mean that there is nothing."""
        return bool(self.query.keys() - {"sort"}) or bool(self.offset)

    @property
    def first(self) -> int:
        """Number of the first row, from 1; 0 where there is none."""
        return self.offset + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """Number of the last row."""
        return self.offset + len(self.rows)

    @property
    def next_url(self) -> str:
        """Address of the next page."""
        return url(self.path, **self.query, offset=self.offset + self.limit)

    @property
    def previous_url(self) -> str:
        """Address of the page before."""
        return url(self.path, **self.query, offset=max(self.offset - self.limit, 0) or None)

    def sorted_by(self, field: str) -> str | None:
        """Return `ascending` or `descending` when the list is sorted by this field, as `aria-sort` has it."""
        sort = self.query.get("sort", "")
        if sort.lstrip("-") != field:
            return None
        return "descending" if sort.startswith("-") else "ascending"

    def sort_url(self, field: str) -> str:
        """Return the address of this list sorted by a field; the other way round where it is so already."""
        sort = f"-{field}" if self.sorted_by(field) == "ascending" else field
        return url(self.path, **{**self.query, "sort": sort})

    def has(self, field: str, values: Collection[str]) -> bool:
        """Return whether a row has one of these values, in lower case."""
        return any(str(row[field]).lower() in values for row in self.rows)


async def read(
    request: Request,
    api: Api,
    path: str,
    names: Collection[str],
    *,
    page: str | None = None,
    limit: int = _LIMIT,
    **fixed: Any,
) -> Listing:
    """Return the page of an API's list that the request asks for by `q`, `sort`, `offset` and the filters `names`.

    Args:
        request: The request for the page.
        api: The API.
        path: The list.
        names: The filters that the address of the page can have.
        page: The address of the page, where it is not that of the request: a form that is shown again.
        limit: How many rows a page has.
        fixed: Filters that the page sets.

    Raises:
        ApiError: the API refuses a filter or an order.
    """
    query = {name: value for name in ("q", "sort", *names) if (value := request.query_params.get(name))}
    offset = offset_of(request)
    answer = await api.get(path, **query, **fixed, offset=offset or None, limit=limit)
    # The list of users has its own word for the total.
    total = answer["total"] if "total" in answer else answer["count"]
    return Listing(page or request.url.path, query, answer["data"], total, offset, limit)


def offset_of(request: Request) -> int:
    """Return the row that a page begins with, as its address says; 0 where that is no number."""
    return whole_number(request.query_params.get("offset"), max_digits=9)


def whole_number(text: str | None, max_digits: int = 18) -> int:
    """Return the number that an address or a form names, such as an id; 0 where it is none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= max_digits else 0
