"""The catalog of the platform's own tables: which one it is, how it is opened, and what its failures are called."""

import errno
import importlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from dataml.errors import NotFound, Unavailable
from dataml.iceberg.names import TableName
from dataml.iceberg.warehouse import warehouse_properties
from dataml.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

log = logging.getLogger(__name__)
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
# As `lake_timeout_s` for the built-in catalog's own lock: longer than any commit holds it.
_SQLITE: Final = "sqlite:///{path}?timeout=30"


@dataclass(frozen=True)
class LakeConfig:
    """Properties of a PyIceberg catalog. `home` is the folder of the built-in one, whose tables are told about by names
    relative to it; `timeout_s` is how long an answer of a REST catalog may take."""

    properties: Mapping[str, str] = field(repr=False)
    home: Path
    timeout_s: float = 30

    @classmethod
    def from_settings(cls, settings: Settings) -> "LakeConfig":
        """The built-in catalog (in the platform's PostgreSQL, or else a SQLite file) and warehouse (beside the files),
        under what `DATAML_LAKE_CATALOG` says."""
        home = settings.lake_root
        uri = _SQLITE.format(path=home / "catalog.db") if settings.is_sqlite else settings.sqlalchemy_url
        given = settings.lake_catalog or {}
        # A warehouse that is given is reached as its own properties say.
        own = {} if "warehouse" in given else warehouse_properties(settings)
        builtin = {"type": "sql", "uri": uri, "pool_pre_ping": "true", **own}
        properties = {**(builtin if given.get("type", "sql") == "sql" else {}), **given}
        if properties["type"] == "sql" and urlsplit(properties["warehouse"]).scheme in ("", "file"):
            properties.setdefault("py-io-impl", "dataml.iceberg.files.DurableFileIO")
        return cls(properties, home, settings.lake_timeout_s)

    @property
    def is_local(self) -> bool:
        """Whether the built-in catalog's file or warehouse lies in `home`."""
        return str(self.home) in self.properties.get("uri", "") + self.properties.get("warehouse", "")


def open_catalog(config: LakeConfig) -> "Catalog":
    """Raises:
    Unavailable: `lake_unavailable`, `lake_misconfigured`.
    """
    # Takes a second to import; who never touches the lake does without.
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
            # Another process has made the catalog's tables at this moment.
            return load_catalog("dataml", **config.properties)
        except (ValueError, NoSuchPropertyException, NotInstalledError) as error:
            detail = "DATAML_LAKE_CATALOG describes no catalog that can be opened; the platform's log has the cause."
            log.exception("the lake's catalog cannot be opened")
            raise Unavailable(detail, code="lake_misconfigured") from error


def _rest_catalog(config: LakeConfig) -> "Catalog":
    """One whose calls end: PyIceberg's own waits for an answer for ever."""
    from pyiceberg.catalog.rest import RestCatalog

    class TimeoutRestCatalog(RestCatalog):
        def _create_session(self) -> Any:
            session: Any = super()._create_session()
            session.request = partial(session.request, timeout=config.timeout_s)
            return session

    return TimeoutRestCatalog("dataml", **config.properties)


def load_table(catalog: "Catalog", name: TableName) -> "Table":
    """Raises:
    NotFound: `table_not_found`.
    Unavailable: `lake_unavailable`.
    """
    from pyiceberg.exceptions import BadRequestError

    if not (_can_be_asked(name.namespace) and _can_be_asked(name.table)):
        raise table_not_found()
    with translate_lake_errors():
        try:
            return catalog.load_table((name.namespace, name.table))
        except BadRequestError as error:
            raise table_not_found() from error


def namespace_exists(catalog: "Catalog", namespace: str) -> bool:
    """Levels are joined by dots.

    Raises:
        Unavailable: `lake_unavailable`.
    """
    from pyiceberg.exceptions import BadRequestError

    levels = tuple(namespace.split("."))
    with translate_lake_errors():
        try:
            return all(map(_can_be_asked, levels)) and catalog.namespace_exists(levels)
        except BadRequestError:
            return False


def _can_be_asked(name: str) -> bool:
    """Whether a catalog can be asked for what is called so; if not, there is no such thing. PostgreSQL takes no NUL;
    these dots would lead elsewhere in the URL of a REST catalog, which refuses other names itself."""
    return "\0" not in name and name not in ("", ".", "..")


def table_not_found() -> NotFound:
    return NotFound("There is no table of this name in the schema.", code="table_not_found")


@contextmanager
def translate_lake_errors() -> Iterator[None]:
    """What a catalog or its storage complains of, as an error of ours; the cause stays in the log.

    Raises:
        NotFound: `table_not_found`.
        Unavailable: `lake_full`, `lake_unavailable`.
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
        if isinstance(error, OSError) and error.errno in _FULL:
            raise Unavailable("There is no room left in the lake; ask an administrator.", code="lake_full") from error
        name = type(error).__name__
        log.warning("the lake does not answer", exc_info=error)
        detail = f"The lake's catalog or storage does not answer ({name}); try again, or ask an administrator."
        raise Unavailable(detail, code="lake_unavailable") from error


def lake_exception_types() -> tuple[type[Exception], ...]:
    """What catalogs and storages raise when they do not do their work; whether they have done it is not said."""
    from pyiceberg import exceptions as iceberg
    from sqlalchemy.exc import SQLAlchemyError

    return (OSError, SQLAlchemyError, iceberg.RESTError, iceberg.DynamoDbError, iceberg.SignError, *_amazon_errors())


def _amazon_errors() -> tuple[type[Exception], ...]:
    """Of a Glue catalog, whose client is installed where one is used."""
    try:
        errors = importlib.import_module("botocore.exceptions")
    except ImportError:
        return ()
    return errors.BotoCoreError, errors.ClientError
