"""The built-in lake: its catalog, and the files of its tables."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dataml.doctor.findings import Check, Finding, error
from dataml.errors import DatamlError
from dataml.iceberg.catalog import LakeConfig, load_table, open_catalog, translate_lake_errors
from dataml.iceberg.names import TableName
from dataml.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_RESTORE: Final = "restore the lake from a backup of the same time as the database, or drop the table"


def check_lake(settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the tables of a lake in the home; a lake elsewhere is its owner's to check. Blocking."""
    config = LakeConfig.from_settings(settings)
    if not config.is_local or not (config.home / "catalog.db").exists():
        return
    # A catalog without its own tables is left as it is.
    config = replace(config, properties={**config.properties, "init_catalog_tables": "false"})
    try:
        catalog = open_catalog(config)
    except DatamlError as failure:
        yield _error("the catalog", failure)
        return
    try:
        yield from _check_tables(catalog)
    finally:
        catalog.close()


def _check_tables(catalog: "Catalog") -> Iterator[Finding]:
    try:
        with translate_lake_errors():
            spaces = catalog.list_namespaces()
            names = [TableName(space, table) for each in spaces for space, table in catalog.list_tables(each)]
    except DatamlError as failure:
        yield _error("the catalog", failure)
        return
    for name in names:
        try:
            missing = _find_missing_files(load_table(catalog, name))
        except DatamlError as failure:
            yield _error(f"table {name.namespace}.{name.table}", failure)
            continue
        if missing:
            message = f"table {name.namespace}.{name.table} lacks {len(missing)} of its files, such as {missing[0]}"
            yield error(Check.LAKE, message, _RESTORE)


def _find_missing_files(table: "Table") -> list[str]:
    with translate_lake_errors():
        files = (task.file.file_path for task in table.scan().plan_files())
        return sorted(path for path in files if not table.io.new_input(path).exists())


def _error(what: str, failure: DatamlError) -> Finding:
    return error(Check.LAKE, f"{what} cannot be read: {failure.detail.rstrip('.')}", _RESTORE)
