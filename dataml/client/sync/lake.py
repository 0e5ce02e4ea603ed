# Generated from dataml/client/aio/lake.py by `make client`: change that file.
"""The data lake: its schemas and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dataml.client.errors import ClientError
from dataml.client.sync.operations import Operations
from dataml.client.sync.paging import fetch_all
from dataml.client.tables import Table

if TYPE_CHECKING:
    from dataml.client import schemas

_COLUMN_FIELDS: Final = ("column_name", "data_type")
_SNAPSHOT_FIELDS: Final = ("snapshot_id", "created_time", "operation")


class LakeTable:
    """A table of the lake; `info` is the answer of the API about it."""

    def __init__(self, api: Operations, info: schemas.TableMetadata, columns: list[schemas.TableColumn]) -> None:
        self._api = api
        self.info = info
        self.columns = Table(columns, _COLUMN_FIELDS)

    @property
    def name(self) -> str:
        """Schema and name of the table: `silver.visits`."""
        return f"{self.info['schema']}.{self.info['table']}"

    @property
    def row_count(self) -> int | None:
        """Number of rows; None where the lake does not know it."""
        return self.info["row_count"]

    @property
    def snapshots(self) -> Table:
        """The newest snapshots, at most 100: each can be made a dataset of."""
        return Table(self.info["snapshots"], _SNAPSHOT_FIELDS)

    def rows(self, limit: int = 20) -> Table:
        """Return some rows of the table as it is now, in no given order; at most 1,000."""
        answer = self._api.view_lake_table(schema_name=self.info["schema"], table_name=self.info["table"], limit=limit)
        return Table(answer["preview"])

    def delete(self) -> None:
        """Delete the table with all its snapshots.

        Raises:
            Conflict: A job or a dataset uses it.
            Forbidden: It is of a shared schema.
        """
        self._api.delete_lake_table(schema_name=self.info["schema"], table_name=self.info["table"])

    def __repr__(self) -> str:
        rows = "" if self.row_count is None else f", rows={self.row_count:,}"
        return f"LakeTable({self.name!r}{rows}, columns={len(self.columns)})"


class Lake:
    """The lake of the tenant, with the schemas that are shared with it."""

    def __init__(self, api: Operations) -> None:
        self._api = api

    def schemas(self) -> list[str]:
        """Return the names of the schemas."""

        def page(limit: int, offset: int) -> Any:
            return {"data": self._api.list_lake_schemas(limit=limit, offset=offset)}

        return fetch_all(page)

    def tables(self, schema: str | None = None) -> Table:
        """Return the tables of a schema, or of all schemas, a row with `schema` and `table` for each.

        Raises:
            NotFound: There is no such schema.
        """
        rows: list[dict[str, str]] = []
        for name in [schema] if schema is not None else self.schemas():
            rows += [{"schema": name, "table": table} for table in self._table_names(name)]
        return Table(rows, ("schema", "table"))

    def get(self, table: str) -> LakeTable:
        """Return a table by its name, with its schema in front: `silver.visits`.

        Raises:
            ClientError: `no_schema`: the name has no schema in front.
            NotFound: There is none.
        """
        schema_name, _, table_name = table.rpartition(".")
        if not schema_name:
            raise ClientError("Give the schema and the table, such as silver.visits.", code="no_schema")
        info = self._api.get_table_metadata(schema_name=schema_name, table_name=table_name)

        def page(limit: int, offset: int) -> Any:
            columns = self._api.list_lake_columns(
                schema_name=schema_name, table_name=table_name, limit=limit, offset=offset
            )
            return {"data": columns}

        return LakeTable(self._api, info, fetch_all(page))

    def _table_names(self, schema: str) -> list[str]:
        def page(limit: int, offset: int) -> Any:
            return {"data": self._api.list_lake_tables(schema_name=schema, limit=limit, offset=offset)}

        return fetch_all(page)
