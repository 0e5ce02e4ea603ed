"""Orphans of the lake: files and folders that writes have left, and that no table of the catalog refers to."""

import logging
import posixpath
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dataml.iceberg.commits import PROPERTY_PREFIX
from dataml.iceberg.deletion import has_mark
from dataml.iceberg.files import (
    is_below,
    list_files,
    list_folders,
    list_metadata_history,
    list_referenced_files,
    normalize,
    remove_file,
    remove_folder,
)

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table

log = logging.getLogger(__name__)
# What PyIceberg and `writing` write. Other files of other engines, such as statistics, are theirs to remove.
_OWN_FILE: Final = re.compile(r".*-job-\d+\.\d+-.*\.parquet|.*\.avro|.*\.metadata\.json")
_METADATA_FILE: Final = re.compile(r"(?:(\d+)-)?.*\.metadata\.json")
_TABLE_FOLDER: Final = re.compile(r"[a-z][a-z0-9_]*-job-(\d+)")


@dataclass(frozen=True)
class OrphanFolder:
    """The folder of a table that the catalog does not have.

    Attributes:
        path: of the folder, normalized.
        job_id: number of the job that has written it.
        files: in it.
        has_metadata: whether it has metadata of a table, so that only a lost catalog may be the reason.
        is_deleted: whether the table was deleted through the platform.
    """

    path: str
    job_id: int
    files: tuple[str, ...]
    has_metadata: bool
    is_deleted: bool


@dataclass
class Orphans:
    """What nobody refers to.

    Attributes:
        files: in folders of tables, with the access to each.
        folders: without a table, with the access to each.
        is_complete: False when files of a table cannot be listed.
    """

    files: list[tuple["FileIO", str]] = field(default_factory=list)
    folders: list[tuple["FileIO", OrphanFolder]] = field(default_factory=list)
    is_complete: bool = True

    def remove(self, removable_folders: Collection[str]) -> None:
        """Remove the files, and of the folders those of these paths.

        Raises:
            OSError: the storage does not answer.
        """
        for io, path in self.files:
            log.warning("removing %s of the lake, which no table refers to", path)
            remove_file(io, path)
        for io, folder in self.folders:
            if folder.path in removable_folders:
                log.warning("removing %s of the lake, which is of no table", folder.path)
                for path in folder.files:
                    remove_file(io, path)
                remove_folder(io, folder.path)


def find_orphans(catalog: "Catalog", namespaces: Collection[str], written_before: float) -> Orphans:
    """Return what writes of the platform have left in the tables of these namespaces, and beside them.

    Files come from the folders of tables that the platform has created. Files are listed before references are read, so
    what is committed meanwhile counts.

    Args:
        catalog: the catalog; all its tables are searched for references to what seems orphaned.
        namespaces: of the platform's tenants.
        written_before: in seconds since 1970; files and folders with younger files are no orphans.

    Raises:
        Exception: `lake_exception_types`: a table cannot be read.
    """
    orphans = Orphans()
    tables = [table for namespace in namespaces for table in _load_tables(catalog, namespace)]
    for table in tables:
        if PROPERTY_PREFIX + "created-at" in table.properties:
            _find_in_table(table, written_before, orphans)
    _find_folders(catalog, namespaces, tables, written_before, orphans)
    if orphans.files or orphans.folders:
        _keep_referenced(catalog, orphans)
    return orphans


def _find_in_table(table: "Table", written_before: float, orphans: Orphans) -> None:
    files = list_files(table.io, table.location())
    if files is None:
        orphans.is_complete = False
        return
    if _is_behind(table, files):
        log.warning("the catalog has an older state of the table at %s: nothing of it is removed", table.location())
        return
    old = {path for path, written_at in files.items() if written_at < written_before}
    left = {path for path in old if _OWN_FILE.fullmatch(posixpath.basename(path))}
    if left := left - list_referenced_files(table):
        orphans.files += [(table.io, path) for path in sorted(left - list_metadata_history(table))]


def _is_behind(table: "Table", files: Collection[str]) -> bool:
    """Return whether there is metadata of commits after the one that the catalog knows: it was restored from a copy.

    A commit that the catalog never took leaves metadata with the next number, and not beyond.
    """
    current = _metadata_number(table.metadata_location)
    return current is not None and any((_metadata_number(file) or 0) > current + 1 for file in files)


def _metadata_number(path: str) -> int | None:
    match = _METADATA_FILE.fullmatch(posixpath.basename(path))
    return int(match[1]) if match and match[1] else None


def _find_folders(
    catalog: "Catalog",
    namespaces: Collection[str],
    tables: "list[Table]",
    written_before: float,
    orphans: Orphans,
) -> None:
    """Find folders of tables whose creation was not committed; a REST catalog alone knows where it has such folders."""
    from pyiceberg.io import load_file_io

    warehouse = catalog.properties.get("warehouse")
    if catalog.properties["type"] == "rest" or not warehouse:
        return
    io = load_file_io(dict(catalog.properties), warehouse)
    locations = {normalize(table.location()) for table in tables}
    for namespace in namespaces:
        folders = list_folders(io, f"{warehouse}/{namespace}")
        if folders is None:
            orphans.is_complete = False
            return
        for path, changed_at in folders.items():
            match = _TABLE_FOLDER.fullmatch(posixpath.basename(path))
            if match is None or any(is_below(f"{location}/", path) for location in locations):
                continue
            files = list_files(io, path) or {}
            if all(time < written_before for time in (*files.values(), changed_at)):
                has_metadata = any(_METADATA_FILE.fullmatch(posixpath.basename(file)) for file in files)
                folder = OrphanFolder(path, int(match[1]), tuple(files), has_metadata, has_mark(files))
                orphans.folders.append((io, folder))


def _keep_referenced(catalog: "Catalog", orphans: Orphans) -> None:
    """Take out what any table of the catalog refers to."""
    for namespace in _list_namespaces(catalog, ()):
        for table in _load_tables(catalog, namespace):
            referenced, location = list_referenced_files(table), normalize(table.location())
            orphans.files = [(io, path) for io, path in orphans.files if path not in referenced]
            orphans.folders = [
                (io, folder)
                for io, folder in orphans.folders
                if referenced.isdisjoint(folder.files) and not is_below(f"{location}/", folder.path)
            ]


def _list_namespaces(catalog: "Catalog", parent: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    from pyiceberg.exceptions import NoSuchNamespaceError

    try:
        namespaces = catalog.list_namespaces(parent)
    except NoSuchNamespaceError:
        return
    for namespace in namespaces:
        if len(namespace) > len(parent):
            yield namespace
            yield from _list_namespaces(catalog, namespace)


def _load_tables(catalog: "Catalog", namespace: str | tuple[str, ...]) -> Iterator["Table"]:
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    try:
        names = catalog.list_tables(namespace)
    except NoSuchNamespaceError:
        return
    for name in names:
        try:
            yield catalog.load_table(name)
        except NoSuchTableError:
            continue  # dropped meanwhile
