"""The query parameters of lists: a page, filters, a search, and an order.

A list states its columns as a `ListQuery`, which is a dependency:

    DatasetPage = Annotated[Page, Depends(ListQuery(Dataset, search=("name",), filters={...}, sort=("id", "name")))]
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Query
from sqlalchemy import ColumnElement, String, func, or_

from dataml.db.base import Base
from dataml.db.scope import Page
from dataml.errors import Invalid

Limit = Annotated[int, Query(ge=1, le=1000, description="Rows to return at most.")]
Offset = Annotated[int, Query(ge=0, le=2**53, description="Rows to skip.")]
_SINCE: Final = "Not before this time; without a zone it is UTC."
_UNTIL: Final = "Before this time; without a zone it is UTC."


@dataclass(frozen=True)
class Filter:
    """A parameter that selects rows: those whose column has its value, or those that `where` selects.

    `values` is the type of the parameter.
    """

    column: str | None = None
    values: Any = str
    description: str = ""
    where: Callable[[Any], ColumnElement[bool]] | None = None

    def condition(self, model: type[Base], value: Any) -> ColumnElement[bool]:
        """Return the condition of the rows that have this value."""
        if self.where is not None:
            return self.where(value)
        column: ColumnElement[Any] = getattr(model, self.column or "")
        return column == value


class ListQuery:
    """The parameters of one list, as a dependency that returns its page.

    Lists are ordered by `sort`, a column or `-` and a column for the reverse, and then by id. NULL comes last.
    """

    def __init__(
        self,
        model: type[Base],
        *,
        search: Sequence[str] = (),
        filters: Mapping[str, Filter] | None = None,
        sort: Sequence[str] = (),
        time: str | None = None,
    ) -> None:
        """Describe a list.

        Args:
            model: the table of its rows.
            search: columns of which `q` is a part.
            filters: the filters by their names.
            sort: columns that the list can be ordered by.
            time: the column that `since` and `until` are about.
        """
        self._model = model
        self._search = search
        self._filters = dict(filters or {})
        self._time = time
        # FastAPI reads the parameters from here.
        self.__signature__ = inspect.Signature([*_PAGE, *self._parameters(sort)], return_annotation=Page)

    def _parameters(self, sort: Sequence[str]) -> list[inspect.Parameter]:
        found: list[inspect.Parameter] = []
        if self._search:
            text = f"Only rows with this text in {' or '.join(self._search)}, in any case of letters."
            found.append(_optional("q", str, text))
        for name, each in self._filters.items():
            # A text has no limit: one that is longer than any stored one selects no row, as any that no row has.
            limits = {"ge": -(2**63), "lt": 2**63} if each.values is int else {}
            found.append(_optional(name, each.values, each.description or f"Only rows with this {name}.", **limits))
        if self._time is not None:
            found += [_optional("since", datetime, _SINCE), _optional("until", datetime, _UNTIL)]
        if sort:
            values = Literal[tuple(sign + name for name in sort for sign in ("", "-"))]  # type: ignore[valid-type]
            found.append(_optional("sort", values, "Order of the rows; with `-` the reverse."))
        return found

    async def __call__(self, **given: Any) -> Page:
        """Return the page.

        Raises:
            Invalid: `bad_filter`: a text holds a NUL, or a time is beyond the calendar.
        """
        if any("\0" in value for value in given.values() if isinstance(value, str)):
            raise Invalid("A filter holds a NUL.", code="bad_filter")
        return Page(given["limit"], given["offset"], tuple(self._conditions(given)), self._order(given.get("sort")))

    def _conditions(self, given: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        found = [
            each.condition(self._model, given[name]) for name, each in self._filters.items() if given[name] is not None
        ]
        if given.get("q"):
            columns = [getattr(self._model, name) for name in self._search]
            found.append(or_(*(column.icontains(given["q"], autoescape=True) for column in columns)))
        if self._time is not None:
            time: ColumnElement[datetime] = getattr(self._model, self._time)
            found += [time >= to_utc(given["since"])] if given["since"] is not None else []
            found += [time < to_utc(given["until"])] if given["until"] is not None else []
        return found

    def _order(self, sort: str | None) -> tuple[ColumnElement[Any], ...]:
        if sort is None:
            return ()
        column = getattr(self._model, sort.removeprefix("-"))
        key = func.lower(column) if isinstance(column.type, String) else column
        row_id: ColumnElement[Any] = getattr(self._model, "id")  # noqa: B009 - not of every table
        if sort.startswith("-"):
            return key.desc().nulls_last(), row_id.desc()
        return key.asc().nulls_last(), row_id.asc()


def to_utc(time: datetime) -> datetime:
    """Return a time in UTC; one without a zone is UTC already, as all times of answers are.

    Raises:
        Invalid: `bad_filter`: it lies beyond the calendar.
    """
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise Invalid("A time lies beyond the calendar.", code="bad_filter") from error


def _optional(name: str, values: Any, description: str, **limits: Any) -> inspect.Parameter:
    annotation = Annotated[values | None, Query(description=description, **limits)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


_PAGE: Final = (
    inspect.Parameter("limit", inspect.Parameter.KEYWORD_ONLY, default=100, annotation=Limit),
    inspect.Parameter("offset", inspect.Parameter.KEYWORD_ONLY, default=0, annotation=Offset),
)


@dataclass(frozen=True)
class NamePage:
    """The page of a list of names."""

    limit: int
    offset: int
    q: str | None
    sort: Literal["name", "-name"] | None

    def select(self, names: Sequence[str]) -> list[str]:
        """Return the page of these names."""
        text = (self.q or "").casefold()
        found = [name for name in names if text in name.casefold()]
        if self.sort is not None:
            found.sort(reverse=self.sort == "-name")
        return found[self.offset : self.offset + self.limit]


async def _name_page(
    limit: Limit = 100,
    offset: Offset = 0,
    q: Annotated[str | None, Query(description="Only names with this text, in any case of letters.")] = None,
    sort: Annotated[Literal["name", "-name"] | None, Query(description="Order; with `-` the reverse.")] = None,
) -> NamePage:
    return NamePage(limit, offset, q, sort)


PagedNames = Annotated[NamePage, Depends(_name_page)]
