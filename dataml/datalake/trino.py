"""A company's lake behind Trino, through its Python client."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dataml.datalake.executor import Patience, too_slow
from dataml.datalake.lake import ColumnInfo, SnapshotInfo, TableInfo, column_of
from dataml.errors import Unavailable
from dataml.iceberg.catalog import table_not_found
from dataml.iceberg.writing import PROPERTY_PREFIX
from dataml.ml.profiling.exact_statistics import DistinctEstimate, NumericStatistics
from dataml.settings import Settings

log = logging.getLogger(__name__)
_ABSENT: Final = frozenset({"TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "COLUMN_NOT_FOUND", "MISSING_TABLE", "NOT_FOUND"})
_SNAPSHOTS: Final = 1000


class TrinoLake:
    """One catalog of a Trino; `schema` is one of its schemas. Numeric statistics are Trino's own, its median and its
    distinct count of many values an approximation."""

    def __init__(self, settings: Settings) -> None:
        """Raises:
        ValueError: there is no `trino_url`.
        """
        if settings.trino_url is None:
            raise ValueError("no DATAML_TRINO_URL")
        self._url = urlsplit(settings.trino_url)
        self._catalog = unquote(self._url.path.strip("/"))
        self._jwt = settings.trino_jwt
        self._verify: str | bool = str(settings.trino_ca) if settings.trino_ca is not None else True

    def has_schema(self, schema: str, patience: Patience) -> bool:
        return schema != "information_schema" and (schema,) in self._schemas(patience)

    def _schemas(self, patience: Patience) -> list[tuple[Any, ...]]:
        # Trino answers of the catalog; nothing of the request is in the question.
        return [tuple(row) for row in self._rows(f"SHOW SCHEMAS FROM {_quoted(self._catalog)}", (), patience)]

    def tables(self, schema: str, patience: Patience) -> list[str]:
        question = f"SELECT table_name FROM {self._information('tables')} WHERE table_schema = ? ORDER BY table_name"
        return [row[0] for row in self._rows(question, (schema,), patience)]

    def columns(self, schema: str, table: str, patience: Patience) -> list[ColumnInfo]:
        question = (
            f"SELECT column_name, data_type FROM {self._information('columns')} "
            "WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position"
        )
        found = [ColumnInfo(name, kind) for name, kind in self._rows(question, (schema, table), patience)]
        if not found:
            raise table_not_found()
        return found

    def table_info(self, schema: str, table: str, patience: Patience) -> TableInfo:
        self.columns(schema, table, patience)
        connector = self._rows(
            "SELECT connector_name FROM system.metadata.catalogs WHERE catalog_name = ?", (self._catalog,), patience
        )
        name = connector[0][0] if connector else "unknown"
        estimate = self._rows(f"SHOW STATS FOR {self._table(schema, table)}", (), patience)
        rows = next((row[4] for row in estimate if row[0] is None and row[4] is not None), None)
        if name != "iceberg":
            return TableInfo(None, None, None, None, name, None if rows is None else int(rows), None)
        return self._iceberg_info(schema, table, None if rows is None else int(rows), patience)

    def _iceberg_info(self, schema: str, table: str, rows: int | None, patience: Patience) -> TableInfo:
        """What Trino's Iceberg connector tells in tables beside the table."""
        path = self._table(schema, table + "$snapshots")
        taken = self._rows(
            f"SELECT snapshot_id, committed_at, operation, summary FROM {path} "
            f"ORDER BY committed_at DESC LIMIT {_SNAPSHOTS}",
            (),
            patience,
        )
        files = self._table(schema, table + "$files")
        size = self._rows(f"SELECT sum(file_size_in_bytes), sum(record_count) FROM {files}", (), patience)[0]
        path = self._table(schema, table + "$properties")
        said = dict(self._rows(f"SELECT key, value FROM {path}", (), patience))
        snapshots = [SnapshotInfo(row[0], row[1], row[2], _made_by(row[3] or {})) for row in taken]
        times: list[datetime] = [snapshot.created_at for snapshot in snapshots]
        return TableInfo(
            owner=said.get("owner"),
            created_at=min(times, default=None),
            last_access_at=max(times, default=None),
            location=said.get("location"),
            format="iceberg",
            row_count=rows if size[1] is None else int(size[1]),
            size_bytes=int(size[0] or 0),
            snapshots=snapshots,
        )

    def numeric(self, schema: str, table: str, column: str, patience: Patience) -> NumericStatistics:
        found = column_of(self.columns(schema, table, patience), column, numeric=True)
        x = _quoted(found.name)
        number = f"CAST({x} AS double)"
        where = f"WHERE NOT is_nan({x})" if found.data_type in ("double", "real") else ""
        question = (
            f"SELECT count({x}), avg({number}), stddev_samp({number}), min({x}), max({x}), "
            f"approx_percentile({number}, 0.5) FROM {self._table(schema, table)} {where}"
        )
        count, mean, deviation, low, high, median = self._rows(question, (), patience)[0]
        return NumericStatistics(count, _finite(mean), _finite(deviation), _number(low), _number(high), _finite(median))

    def distinct(self, schema: str, table: str, column: str, patience: Patience) -> DistinctEstimate:
        found = column_of(self.columns(schema, table, patience), column)
        question = f"SELECT count(DISTINCT {_quoted(found.name)}) FROM {self._table(schema, table)}"
        return DistinctEstimate(self._rows(question, (), patience)[0][0], is_exact=True)

    def _table(self, schema: str, table: str) -> str:
        return ".".join(map(_quoted, (self._catalog, schema, table)))

    def _information(self, view: str) -> str:
        return f"{_quoted(self._catalog)}.information_schema.{view}"

    def _rows(self, question: str, parameters: Sequence[str], patience: Patience) -> list[list[Any]]:
        """All rows of an answer.

        Raises:
            NotFound: `table_not_found`: dropped since it was looked up.
            Unavailable: `lake_refuses`, `lake_unavailable`, `lake_failed`, `lake_timeout`.
        """
        patience.check()
        with _trino_errors(), self._connection(patience) as connection:
            cursor = connection.cursor()
            patience.on_end(cursor.cancel)
            try:
                cursor.execute(question, list(parameters) or None)
                return cursor.fetchall()
            finally:
                patience.on_end(None)

    def _connection(self, patience: Patience) -> Any:
        import requests
        from trino.auth import BasicAuthentication, JWTAuthentication
        from trino.dbapi import connect

        user = unquote(self._url.username or "")
        session = requests.Session()
        # REQUESTS_CA_BUNDLE of the environment would be taken in place of the certificates that were given.
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
            request_timeout=patience.left_s,
            max_attempts=1,
            timezone="UTC",
        )


@contextmanager
def _trino_errors() -> Iterator[None]:
    """The client's complaints as errors of ours: which part failed, and nothing that it has sent."""
    import requests
    from trino import exceptions as trino

    try:
        yield
    except trino.TrinoUserError as error:
        if error.error_name in _ABSENT:
            raise table_not_found() from error
        raise _failed(error.error_name or "an error", error) from error
    except trino.TrinoQueryError as error:
        raise _failed(error.error_name or "an error", error) from error
    except requests.exceptions.Timeout as error:
        raise too_slow() from error
    except (trino.TrinoAuthError, trino.HttpError, trino.TrinoConnectionError) as error:
        if isinstance(error.__context__, requests.exceptions.Timeout):
            raise too_slow() from error
        status = str(error)
        if isinstance(error, trino.TrinoAuthError) or " 401" in status or " 403" in status:
            log.warning("Trino refuses: %s", error)
            detail = "Trino refuses the user or password of DATAML_TRINO_URL; an administrator has to look."
            raise Unavailable(detail, code="lake_refuses") from error
        raise _away(error) from error
    except (requests.exceptions.RequestException, trino.Error) as error:
        raise _away(error) from error


def _failed(name: str, error: Exception) -> Unavailable:
    log.warning("Trino could not answer: %s", error)
    return Unavailable(f"Trino could not answer: {name}.", code="lake_failed")


def _away(error: Exception) -> Unavailable:
    log.warning("Trino does not answer: %s", error)
    detail = f"Trino does not answer ({type(error).__name__}); try again, or ask an administrator."
    return Unavailable(detail, code="lake_unavailable")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _made_by(summary: dict[str, str]) -> dict[str, str]:
    return {
        key.removeprefix(PROPERTY_PREFIX): value for key, value in summary.items() if key.startswith(PROPERTY_PREFIX)
    }


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, int) else _finite(value)


def _finite(value: Any) -> float | None:
    number = float(value) if value is not None else None
    return number if number is not None and abs(number) < float("inf") else None
