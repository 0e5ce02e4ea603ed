"""The lake: schemas, their tables, and the columns and snapshots of one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.listing import Listing
from dataml.console.rendering import url
from dataml.console.visit import Visit

_LIMIT: Final = 50
_MAX_SCHEMAS: Final = 1000
_ROWS: Final = 20
# A page with more columns would be large, and wider than anybody reads.
_SHOWN_COLUMNS: Final = 50
_TABS: Final = {"columns": "Columns", "rows": "Rows", "snapshots": "Snapshots"}


@dataclass(frozen=True)
class TableRef:
    """A table as the address of a page names it."""

    schema: str
    name: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "TableRef":
        """Read the address, or the form, of a page."""
        return cls(str(given.get("schema", "")), str(given.get("table", "")))

    @property
    def query(self) -> dict[str, str]:
        """The table as calls of the API take it."""
        return {"schema_name": self.schema, "table_name": self.name}

    def url(self, **more: Any) -> str:
        """Return the address of its page."""
        return url("/lake/table", schema=self.schema, table=self.name, **more)


async def show_schemas(visit: Visit) -> Response:
    """Show the schemas, and the tables of the one that the address names, or of the first."""
    schemas = await visit.api.get("/datalake/schemas", limit=_MAX_SCHEMAS)
    schema = visit.request.query_params.get("schema") or (schemas[0] if schemas else None)
    tables, failure = None, None
    if schema is not None:
        try:
            tables = await _list_tables(visit, schema)
        except ApiError as error:
            # The other schemas can still be chosen: a lake that is shared may be away.
            failure = error
    status = failure.status if failure else 200
    return visit.render("lake.html", status, schemas=schemas, schema=schema, listing=tables, failure=failure)


async def show_table(visit: Visit) -> Response:
    """Show a table: its columns with the statistics of one, or its snapshots."""
    query = visit.request.query_params
    table, tab = TableRef.of(query), query.get("tab", "columns")
    if tab not in _TABS:
        tab = "columns"
    offset = listing.offset_of(visit.request)
    about = await visit.api.get(
        "/datalake/table_metadata", **table.query, limit=_LIMIT, offset=offset if tab == "snapshots" else None
    )
    if tab == "columns":
        context = await _read_columns(visit, table, offset)
    elif tab == "rows":
        context = await _read_rows(visit, table)
    else:
        context = _snapshots(visit.request, about)
    tabs = [(name, title, table.url(tab=name)) for name, title in _TABS.items()]
    return visit.render("lake_table.html", table=table, about=about, tabs=tabs, tab=tab, **context)


async def delete_table(visit: Visit) -> Response:
    """Delete a table with its snapshots."""
    table = TableRef.of(await visit.request.form())
    await visit.api.call("DELETE", "/datalake/tables", query=table.query)
    return visit.redirect("/lake", notice=f"The table {table.name} is deleted.", schema=table.schema)


async def _list_tables(visit: Visit, schema: str) -> Listing:
    request = visit.request
    query = {name: value for name in ("q", "sort") if (value := request.query_params.get(name))}
    offset = listing.offset_of(request)
    # The list of names has no total: one name more says whether there is a next page.
    names = await visit.api.get(
        "/datalake/schemas/tables", schema_name=schema, **query, offset=offset or None, limit=_LIMIT + 1
    )
    rows = [{"name": name, "url": TableRef(schema, name).url()} for name in names[:_LIMIT]]
    return Listing(request.url.path, {"schema": schema, **query}, rows, offset + len(names), offset, _LIMIT)


async def _read_columns(visit: Visit, table: TableRef, offset: int) -> dict[str, Any]:
    columns = await visit.api.get("/datalake/tables/columns", **table.query, offset=offset or None, limit=_LIMIT + 1)
    chosen = visit.request.query_params.get("column")
    statistics = distinct = failure = None
    if chosen:
        try:
            query = {"schema": table.schema, "table": table.name, "column": chosen}
            distinct = await visit.api.get("/datalake/distinct-count", **query)
            statistics = await visit.api.get("/datalake/numeric_stats", **table.query, column_name=chosen)
        except ApiError as error:
            # A column of text has a number of distinct values, and no mean.
            failure = error if distinct is None or error.code != "not_numeric" else None
    query = {"schema": table.schema, "table": table.name}
    page = Listing(visit.request.url.path, query, columns[:_LIMIT], offset + len(columns), offset, _LIMIT)
    return {"page": page, "chosen": chosen, "statistics": statistics, "distinct": distinct, "failure": failure}


async def _read_rows(visit: Visit, table: TableRef) -> dict[str, Any]:
    answer = await visit.api.get("/datalake/tables/rows", **table.query, limit=_ROWS)
    rows = answer["preview"]
    names = list(rows[0])[:_SHOWN_COLUMNS] if rows else []
    hidden = len(rows[0]) - len(names) if rows else 0
    page = Listing(visit.request.url.path, {"schema": table.schema, "table": table.name}, rows, len(rows), 0, _ROWS)
    return {"page": page, "names": names, "hidden": hidden}


def _snapshots(request: Request, about: Mapping[str, Any]) -> dict[str, Any]:
    offset = listing.offset_of(request)
    query = {"schema": about["schema"], "table": about["table"], "tab": "snapshots"}
    return {"page": Listing(request.url.path, query, about["snapshots"], about["snapshot_count"], offset, _LIMIT)}
