"""Commits to lake tables, whose outcome is known only if the catalog has answered."""

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from dataml.errors import Conflict
from dataml.iceberg.names import TableName

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.snapshots import Snapshot

T = TypeVar("T")

PROPERTY_PREFIX: Final = "dataml."
"""Prefix of the platform's own snapshot properties: `dataml.job-id`, `dataml.attempt`, `dataml.source`, ..."""

_MAX_COMMITS: Final = 12
# PyIceberg's own retries would skip the search for an earlier commit of this job.
_NO_RETRY: Final = {"commit.retry.num-retries": "0"}


def commit_conflict_types() -> tuple[type[Exception], ...]:
    """Return the exceptions of `commit` after which the table certainly does not have the changes."""
    from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException

    return (CommitFailedException, TableAlreadyExistsError, ValidationException)


def retry_commits(operation: Callable[[], T]) -> T:
    """Return the result of an operation, retried while other writers change the table at the same time.

    Raises:
        Conflict: `table_busy`.
    """
    for attempt in range(_MAX_COMMITS):
        try:
            return operation()
        except commit_conflict_types():
            time.sleep(random.uniform(0, 0.05 * 2 ** min(attempt, 5)))
    raise Conflict("Others write to this lake table all the time; try again.", code="table_busy")


def commit(catalog: "Catalog", name: TableName, transaction: "Transaction") -> None:
    """Commit a transaction that adds snapshots to a table.

    A gateway that loses an answer may send the request again. The catalog then reports a conflict of the commit with
    itself. So after a conflict the table is searched for the snapshots, and manifests are removed only if it does not
    have them.

    Raises:
        Exception: one of `commit_conflict_types`: the table certainly does not have the changes. Any other: whether it
            has them, or will have them when the catalog goes on, is not known.
    """
    from pydantic import ValidationError
    from pyiceberg.exceptions import CommitStateUnknownException

    # PyIceberg would remove the manifests after any conflict.
    producers, transaction._snapshot_producers = transaction._snapshot_producers, []
    try:
        transaction.commit_transaction()
    except commit_conflict_types():
        table = find_table(catalog, name)
        ids = {snapshot.snapshot_id for snapshot in table.metadata.snapshots} if table is not None else set()
        if producers and all(producer.snapshot_id in ids for producer in producers):
            return
        for producer in producers:
            producer._clean_all_uncommitted()
        raise
    except ValidationError as error:
        raise CommitStateUnknownException("The catalog's answer cannot be read.") from error


def find_table(catalog: "Catalog", name: TableName) -> "Table | None":
    """Return a table whose commits PyIceberg does not retry by itself, or None when there is none."""
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    try:
        table = catalog.load_table((name.namespace, name.table))
    except (NoSuchNamespaceError, NoSuchTableError):
        return None
    properties = {**table.metadata.properties, **_NO_RETRY}
    table.metadata = table.metadata.model_copy(update={"properties": properties})
    return table


def snapshot_properties(snapshot: "Snapshot") -> dict[str, str]:
    """Return the properties that the writer of a snapshot gave it."""
    return dict(snapshot.summary.additional_properties) if snapshot.summary is not None else {}
