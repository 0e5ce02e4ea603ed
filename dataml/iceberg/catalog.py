"""The Iceberg catalog of the platform: its configuration, how it is opened, and the translation of its errors."""

import importlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from dataml.errors import NotFound, StorageFull, Unavailable
from dataml.iceberg.names import TableName, is_catalog_name
from dataml.iceberg.warehouse import warehouse_properties
from dataml.settings import Settings
from dataml.storage.space import is_storage_full

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

log = logging.getLogger(__name__)
# How long to wait for the lock of the built-in catalog: longer than any commit holds it.
_SQLITE: Final = "sqlite:///{path}?timeout=30"


@dataclass(frozen=True)
class LakeConfig:
    """The properties of a PyIceberg catalog.

    Attributes:
        properties: as PyIceberg takes them; they may hold secrets.
        home: the folder of the built-in catalog; locations of its tables are shown relative to it.
        timeout_s: how long a response of a REST catalog may take.
    """

    properties: Mapping[str, str] = field(repr=False)
    home: Path
    timeout_s: float = 30

    @classmethod
    def from_settings(cls, settings: Settings) -> "LakeConfig":
        """Return the built-in catalog and warehouse, overridden by `DATAML_LAKE_CATALOG`.

        The built-in catalog is in the platform's PostgreSQL, or else a SQLite file; the warehouse is beside the files.
        """
        home = settings.lake_root
        uri = _SQLITE.format(path=home / "catalog.db") if settings.is_sqlite else settings.sqlalchemy_url
        configured = settings.lake_catalog or {}
        # A configured warehouse has its own properties for access to its store.
        warehouse = {} if "warehouse" in configured else warehouse_properties(settings)
        builtin = {"type": "sql", "uri": uri, "pool_pre_ping": "true", **warehouse}
        properties = {**(builtin if configured.get("type", "sql") == "sql" else {}), **configured}
        if properties["type"] == "sql" and urlsplit(properties["warehouse"]).scheme in ("", "file"):
            properties.setdefault("py-io-impl", "dataml.iceberg.file_io.DurableFileIO")
        return cls(properties, home, settings.lake_timeout_s)

    @property
    def is_local(self) -> bool:
        """Whether the built-in catalog's file or warehouse is in `home`."""
        return str(self.home) in self.properties.get("uri", "") + self.properties.get("warehouse", "")


def open_catalog(config: LakeConfig) -> "Catalog":
    """Open the catalog.

    Raises:
        Unavailable: `lake_unavailable`, `lake_misconfigured`.
    """
    # The import takes a second, which processes that never use the lake are spared.
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NoSuchPropertyException, NotInstalledError
    from sqlalchemy.exc import DBAPIError

    if config.is_local:
        config.home.mkdir(parents=True, exist_ok=True)
    with translate_lake_errors():
        try:
            if config.properties["type"] == "rest":
                return _rest_catalog(config)
            return load_catalog("dataml", **config.properties)
        except DBAPIError:
            # Another process has created the catalog's tables at this moment.
            return load_catalog("dataml", **config.properties)
        except (ValueError, NoSuchPropertyException, NotInstalledError) as error:
            detail = (
                "DATAML_LAKE_CATALOG does not describe a catalog that can be opened; the platform's log has the cause."
            )
            log.exception("the lake's catalog cannot be opened")
            raise Unavailable(detail, code="lake_misconfigured") from error


def _rest_catalog(config: LakeConfig) -> "Catalog":
    """Return a REST catalog whose requests time out: PyIceberg's own waits for a response for ever."""
    from pyiceberg.catalog.rest import RestCatalog

    class TimeoutRestCatalog(RestCatalog):
        def _create_session(self) -> Any:
            session: Any = super()._create_session()
            session.request = partial(session.request, timeout=config.timeout_s)
            return session

    return TimeoutRestCatalog("dataml", **config.properties)


def load_table(catalog: "Catalog", name: TableName) -> "Table":
    """Return a table.

    Raises:
        NotFound: `table_not_found`.
        Unavailable: `lake_unavailable`.
    """
    from pyiceberg.exceptions import BadRequestError

    if not (is_catalog_name(name.namespace) and is_catalog_name(name.table)):
        raise table_not_found()
    with translate_lake_errors():
        try:
            return catalog.load_table((name.namespace, name.table))
        except BadRequestError as error:
            raise table_not_found() from error


def namespace_exists(catalog: "Catalog", namespace: str) -> bool:
    """Return whether the catalog has a namespace, whose levels are joined by dots.

    Raises:
        Unavailable: `lake_unavailable`.
    """
    from pyiceberg.exceptions import BadRequestError

    levels = tuple(namespace.split("."))
    with translate_lake_errors():
        try:
            return all(map(is_catalog_name, levels)) and catalog.namespace_exists(levels)
        except BadRequestError:
            return False


def table_not_found() -> NotFound:
    """Return the error for a table that is not there."""
    return NotFound("There is no table of this name in the schema.", code="table_not_found")


@contextmanager
def translate_lake_errors() -> Iterator[None]:
    """Translate errors of a catalog or its storage to errors of the platform, and log their cause.

    Raises:
        NotFound: `table_not_found`.
        StorageFull: `lake_full`.
        Unavailable: `lake_damaged`, `lake_unavailable`.
    """
    import pyarrow as pa
    from pyiceberg import exceptions as iceberg

    try:
        yield
    except (iceberg.NoSuchTableError, iceberg.NoSuchNamespaceError) as error:
        raise table_not_found() from error
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise Unavailable("A file of this lake table is missing or damaged.", code="lake_damaged") from error
    except lake_exception_types() as error:
        if is_storage_full(error):
            raise StorageFull("No space is left in the lake; ask an administrator.", code="lake_full") from error
        name = type(error).__name__
        log.warning("the lake does not answer", exc_info=error)
        detail = f"The lake's catalog or storage does not answer ({name}); try again, or ask an administrator."
        raise Unavailable(detail, code="lake_unavailable") from error


def lake_exception_types() -> tuple[type[Exception], ...]:
    """Return the exceptions of catalogs and storages that fail; the operation may have taken effect all the same."""
    from pyiceberg import exceptions as iceberg
    from sqlalchemy.exc import SQLAlchemyError

    return (OSError, SQLAlchemyError, iceberg.RESTError, iceberg.DynamoDbError, iceberg.SignError, *_amazon_errors())


def _amazon_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of a Glue catalog, whose client is installed only where one is used."""
    try:
        errors = importlib.import_module("botocore.exceptions")
    except ImportError:
        return ()
    return errors.BotoCoreError, errors.ClientError
