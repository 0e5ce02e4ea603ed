"""A company's lake behind Trino, queried through Trino's Python client."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dataml.datalake.executor import Deadline, lake_timeout
from dataml.datalake.lake import ColumnInfo, SnapshotInfo, TableInfo, get_column, select_made_by
from dataml.errors import Unavailable
from dataml.iceberg.catalog import table_not_found
from dataml.ml.profiling.exact_statistics import DistinctEstimate, NumericStatistics
from dataml.settings import Settings

log = logging.getLogger(__name__)
_NOT_FOUND_ERRORS: Final = frozenset(
    {"TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "COLUMN_NOT_FOUND", "MISSING_TABLE", "NOT_FOUND"}
)
_MAX_SNAPSHOTS: Final = 1000


class TrinoLake:
    """One catalog of a Trino server; `schema` is one of its schemas.

    Statistics are computed by Trino; its median is an approximation.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare connections; the first query opens one.

        Raises:
            ValueError: `trino_url` is not set.
        """
        if settings.trino_url is None:
            raise ValueError("no DATAML_TRINO_URL")
        self._url = urlsplit(settings.trino_url)
        self._catalog = unquote(self._url.path.strip("/"))
        self._jwt = settings.trino_jwt
        self._verify: str | bool = str(settings.trino_ca) if settings.trino_ca is not None else True

    def has_schema(self, schema: str, deadline: Deadline) -> bool:
        """Return whether the catalog has this schema; `information_schema` does not count."""
        if schema == "information_schema":
            return False
        # The name of the schema does not become part of the query.
        rows = self._query(f"SHOW SCHEMAS FROM {_quote(self._catalog)}", (), deadline)
        return any(row[0] == schema for row in rows)

    def list_tables(self, schema: str, deadline: Deadline) -> list[str]:
        """Return the names of the tables of a schema, sorted."""
        view = self._information_schema("tables")
        sql = f"SELECT table_name FROM {view} WHERE table_schema = ? ORDER BY table_name"
        return [row[0] for row in self._query(sql, (schema,), deadline)]

    def list_columns(self, schema: str, table: str, deadline: Deadline) -> list[ColumnInfo]:
        """Return the columns of a table, in their order."""
        sql = (
            f"SELECT column_name, data_type FROM {self._information_schema('columns')} "
            "WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position"
        )
        columns = [ColumnInfo(name, data_type) for name, data_type in self._query(sql, (schema, table), deadline)]
        if not columns:
            raise table_not_found()
        return columns

    def get_table_info(self, schema: str, table: str, deadline: Deadline) -> TableInfo:
        """Return the metadata of a table: of an Iceberg table all, of others the connector and the number of rows."""
        self.list_columns(schema, table, deadline)
        connectors = self._query(
            "SELECT connector_name FROM system.metadata.catalogs WHERE catalog_name = ?", (self._catalog,), deadline
        )
        connector = connectors[0][0] if connectors else "unknown"
        statistics = self._query(f"SHOW STATS FOR {self._table(schema, table)}", (), deadline)
        estimate = next((row[4] for row in statistics if row[0] is None and row[4] is not None), None)
        row_count = None if estimate is None else int(estimate)
        if connector != "iceberg":
            return TableInfo(None, None, None, None, connector, row_count, None)
        return self._iceberg_info(schema, table, row_count, deadline)

    def _iceberg_info(self, schema: str, table: str, row_count: int | None, deadline: Deadline) -> TableInfo:
        """Return what the metadata tables of Trino's Iceberg connector report."""
        snapshot_rows = self._query(
            f"SELECT snapshot_id, committed_at, operation, summary FROM {self._table(schema, table + '$snapshots')} "
            f"ORDER BY committed_at DESC LIMIT {_MAX_SNAPSHOTS}",
            (),
            deadline,
        )
        files = self._table(schema, table + "$files")
        size = self._query(f"SELECT sum(file_size_in_bytes), sum(record_count) FROM {files}", (), deadline)[0]
        path = self._table(schema, table + "$properties")
        properties = dict(self._query(f"SELECT key, value FROM {path}", (), deadline))
        snapshots = [SnapshotInfo(row[0], row[1], row[2], select_made_by(row[3] or {})) for row in snapshot_rows]
        times: list[datetime] = [snapshot.created_at for snapshot in snapshots]
        return TableInfo(
            owner=properties.get("owner"),
            created_at=min(times, default=None),
            last_write_at=max(times) if len(times) > 1 else None,
            location=properties.get("location"),
            format="iceberg",
            row_count=row_count if size[1] is None else int(size[1]),
            size_bytes=int(size[0] or 0),
            snapshots=snapshots,
        )

    def compute_statistics(self, schema: str, table: str, column: str, deadline: Deadline) -> NumericStatistics:
        """Return the statistics of a numeric column."""
        info = get_column(self.list_columns(schema, table, deadline), column, numeric=True)
        name = _quote(info.name)
        number = f"CAST({name} AS double)"
        where = f"WHERE NOT is_nan({name})" if info.data_type in ("double", "real") else ""
        sql = (
            f"SELECT count({name}), avg({number}), stddev_samp({number}), min({name}), max({name}), "
            f"approx_percentile({number}, 0.5) FROM {self._table(schema, table)} {where}"
        )
        count, mean, deviation, low, high, median = self._query(sql, (), deadline)[0]
        return NumericStatistics(count, _finite(mean), _finite(deviation), _number(low), _number(high), _finite(median))

    def count_distinct(self, schema: str, table: str, column: str, deadline: Deadline) -> DistinctEstimate:
        """Return the number of distinct values of a column."""
        info = get_column(self.list_columns(schema, table, deadline), column)
        sql = f"SELECT count(DISTINCT {_quote(info.name)}) FROM {self._table(schema, table)}"
        return DistinctEstimate(self._query(sql, (), deadline)[0][0], is_exact=True)

    def read_first_rows(self, schema: str, table: str, limit: int, deadline: Deadline) -> list[dict[str, Any]]:
        """Return some rows of a table, in no order."""
        names = [column.name for column in self.list_columns(schema, table, deadline)]
        columns = ", ".join(map(_quote, names))
        sql = f"SELECT {columns} FROM {self._table(schema, table)} LIMIT {limit:d}"
        return [dict(zip(names, row, strict=True)) for row in self._query(sql, (), deadline)]

    def _table(self, schema: str, table: str) -> str:
        return ".".join(map(_quote, (self._catalog, schema, table)))

    def _information_schema(self, view: str) -> str:
        return f"{_quote(self._catalog)}.information_schema.{view}"

    def _query(self, sql: str, parameters: Sequence[str], deadline: Deadline) -> list[list[Any]]:
        """Return all rows of the result.

        Raises:
            NotFound: `table_not_found`: the table was dropped after it was looked up.
            Unavailable: `lake_refuses`, `lake_unavailable`, `lake_failed`, `lake_timeout`.
        """
        deadline.check()
        with _translate_trino_errors(), self._connect(deadline) as connection:
            cursor = connection.cursor()
            deadline.on_cancel(cursor.cancel)
            try:
                cursor.execute(sql, list(parameters) or None)
                return cursor.fetchall()
            finally:
                deadline.on_cancel(None)

    def _connect(self, deadline: Deadline) -> Any:
        import requests
        from trino.auth import BasicAuthentication, JWTAuthentication
        from trino.dbapi import connect

        user = unquote(self._url.username or "")
        session = requests.Session()
        # REQUESTS_CA_BUNDLE of the environment would override the certificates of `trino_ca`.
        session.verify, session.trust_env = self._verify, self._verify is True
        auth = JWTAuthentication(self._jwt) if self._jwt else None
        if auth is None and self._url.password:
            auth = BasicAuthentication(user, unquote(self._url.password))
        return connect(
            host=self._url.hostname,
            port=self._url.port or (443 if self._url.scheme == "https" else 8080),
            user=user,
            catalog=self._catalog,
            http_scheme=self._url.scheme,
            auth=auth,
            http_session=session,
            source="dataml",
            request_timeout=deadline.remaining_s,
            max_attempts=1,
            timezone="UTC",
        )


@contextmanager
def _translate_trino_errors() -> Iterator[None]:
    """Raise errors of the client as ours; they say which part failed, and repeat nothing that the server has sent."""
    import requests
    from trino import exceptions as trino

    try:
        yield
    except trino.TrinoUserError as error:
        if error.error_name in _NOT_FOUND_ERRORS:
            raise table_not_found() from error
        raise _failed(error.error_name or "an error", error) from error
    except trino.TrinoQueryError as error:
        raise _failed(error.error_name or "an error", error) from error
    except requests.exceptions.Timeout as error:
        raise lake_timeout() from error
    except (trino.TrinoAuthError, trino.HttpError, trino.TrinoConnectionError) as error:
        if isinstance(error.__context__, requests.exceptions.Timeout):
            raise lake_timeout() from error
        status = str(error)
        if isinstance(error, trino.TrinoAuthError) or " 401" in status or " 403" in status:
            log.warning("Trino refuses: %s", error)
            detail = "Trino refuses the user or password of DATAML_TRINO_URL; an administrator has to correct it."
            raise Unavailable(detail, code="lake_refuses") from error
        raise _unavailable(error) from error
    except (requests.exceptions.RequestException, trino.Error) as error:
        raise _unavailable(error) from error


def _failed(name: str, error: Exception) -> Unavailable:
    log.warning("Trino could not answer: %s", error)
    return Unavailable(f"Trino could not answer: {name}.", code="lake_failed")


def _unavailable(error: Exception) -> Unavailable:
    log.warning("Trino does not answer: %s", error)
    detail = f"Trino does not answer ({type(error).__name__}); try again, or ask an administrator."
    return Unavailable(detail, code="lake_unavailable")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, int) else _finite(value)


def _finite(value: Any) -> float | None:
    number = float(value) if value is not None else None
    return number if number is not None and abs(number) < float("inf") else None
