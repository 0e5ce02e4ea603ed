"""Tables that the platform wrote through a catalog in PostgreSQL are a Trino's too, and the other way round."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from dataml.datalake.executor import Deadline
from dataml.datalake.iceberg import IcebergLake
from dataml.datalake.trino import TrinoLake
from dataml.iceberg.catalog import open_catalog
from dataml.iceberg.names import TableName
from dataml.iceberg.writing import LakeTarget, WriteAttempt, write_rows
from dataml.settings import load_settings
from tests.services.conftest import Trino

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

pytestmark = pytest.mark.services

TABLE = TableName("t_1_gold", "visits")
ROWS = pa.record_batch(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "place": pa.array(["Rome", None, "Oslo"]),
        "spent": pa.array([1.5, None, 4.5], pa.float64()),
        "member": pa.array([True, False, None]),
        "day": pa.array([date(2024, 2, 29), None, date(1969, 12, 31)]),
        "at": pa.array([datetime(2024, 2, 29, 12, 30, tzinfo=UTC), None, None], pa.timestamp("us", "UTC")),
        'a"b': pa.array(["x", "y", "z"]),
    }
)


def wait() -> Deadline:
    return Deadline(60)


@pytest.fixture(scope="module")
def catalog(trino: Trino) -> "Iterator[Catalog]":
    catalog = open_catalog(trino.platform)
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def through_trino(trino: Trino, catalog: "Catalog") -> TrinoLake:
    """The platform's lake as Trino has it, with one table in it."""
    write(catalog, "dataset-1", 1)
    return TrinoLake(load_settings(trino_url=trino.url("platform"), trino_ca=trino.certificate))


def write(catalog: "Catalog", source: str, job_id: int) -> int:
    target = LakeTarget(TABLE, source, "jane", made_by={"dataset-id": str(job_id)})
    return write_rows(catalog, target, WriteAttempt(job_id, 1), lambda: iter([ROWS]))


def rows(lake: TrinoLake, columns: str = "*") -> list[list[Any]]:
    return lake._query(f'SELECT {columns} FROM "{TABLE.namespace}".visits ORDER BY id', (), wait())


def test_platform_and_trino_read_the_same_values(through_trino: TrinoLake) -> None:
    assert [list(row) for row in rows(through_trino)] == [list(row.values()) for row in ROWS.to_pylist()]


def test_columns_and_statistics_are_the_same_through_both(through_trino: TrinoLake, trino: Trino) -> None:
    own = IcebergLake(trino.platform)
    asked = (TABLE.namespace, "visits")
    assert own.list_columns(*asked, wait()) == through_trino.list_columns(*asked, wait())
    for column in ("id", "spent"):
        mine, theirs = (lake.compute_statistics(*asked, column, wait()) for lake in (own, through_trino))
        assert (mine.count, mine.mean, mine.minimum, mine.maximum) == (
            theirs.count,
            theirs.mean,
            theirs.minimum,
            theirs.maximum,
        )
    assert own.get_table_info(*asked, wait()).row_count == through_trino.get_table_info(*asked, wait()).row_count


def test_later_snapshot_is_visible_at_once_with_its_origin(through_trino: TrinoLake, catalog: "Catalog") -> None:
    before = len(rows(through_trino, "id"))
    snapshot_id = write(catalog, "dataset-2", 2)
    assert len(rows(through_trino, "id")) == before + len(ROWS)
    made_by = "element_at(summary, 'dataml.dataset-id')"
    found = through_trino._query(
        f'SELECT {made_by} FROM "{TABLE.namespace}"."visits$snapshots" WHERE snapshot_id = {snapshot_id}', (), wait()
    )
    assert [list(row) for row in found] == [["2"]]
    # Data of an earlier snapshot stays readable.
    first = through_trino._query(
        f'SELECT snapshot_id FROM "{TABLE.namespace}"."visits$snapshots" ORDER BY committed_at', (), wait()
    )[0][0]
    sql = f'SELECT count(*) FROM "{TABLE.namespace}".visits FOR VERSION AS OF {first}'
    assert through_trino._query(sql, (), wait())[0][0] == len(ROWS)


def test_table_created_by_trino_is_readable_by_the_platform(through_trino: TrinoLake, trino: Trino) -> None:
    through_trino._query(
        f"CREATE TABLE \"{TABLE.namespace}\".made AS SELECT 7 AS n, DATE '2024-01-01' AS d", (), wait()
    )
    own = IcebergLake(trino.platform)
    assert {column.name: column.data_type for column in own.list_columns(TABLE.namespace, "made", wait())} == {
        "n": "integer",
        "d": "date",
    }
    assert own.compute_statistics(TABLE.namespace, "made", "n", wait()).mean == 7
