"""The deletion of lake tables: the catalog forgets the table, and its files are removed a day later."""

import posixpath
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dataml.iceberg.catalog import load_table, translate_lake_errors
from dataml.iceberg.names import TableName

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

_MARK: Final = "_deleted_by_dataml"


def drop_table(catalog: "Catalog", name: TableName) -> None:
    """Drop a table from the catalog; of several calls at once, one does it.

    A REST catalog is asked to remove the files. For other catalogs a mark in the table's folder lets the collection of
    orphans remove it. The mark is written first: it says nothing while the catalog has a table in that folder.

    Raises:
        NotFound: `table_not_found`.
        Unavailable: `lake_unavailable`, `lake_damaged`: the table may be dropped all the same.
    """
    from pyiceberg.exceptions import BadRequestError, ForbiddenError

    identifier = (name.namespace, name.table)
    table = load_table(catalog, name)
    with translate_lake_errors():
        if catalog.properties["type"] == "rest":
            try:
                catalog.purge_table(identifier)
            except (BadRequestError, ForbiddenError):
                # Some catalogs remove files by a policy of their own only.
                catalog.drop_table(identifier)
            return
        mark = table.io.new_output(f"{table.location().rstrip('/')}/{_MARK}")
        with mark.create(overwrite=True) as file:
            file.write(datetime.now(UTC).isoformat().encode())
        catalog.drop_table(identifier)


def has_mark(files: Iterable[str]) -> bool:
    """Return whether the mark of a deleted table is among the files of a folder."""
    return any(posixpath.basename(file) == _MARK for file in files)
