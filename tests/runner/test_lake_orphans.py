"""A supervisor that starts removes from the lake what writes have left a day ago, and keeps the rows of every table."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataml.db.session import Database
from dataml.errors import Unavailable
from dataml.iceberg.catalog import LakeConfig
from dataml.runner import lake_orphans
from dataml.runner.lake_orphans import LakeOrphanCollector
from tests.client import Client
from tests.conftest import Platform, needs_builtin_lake, needs_sqlite
from tests.datalake.lake import call_lake, create_in_lake, new_table_name
from tests.fakes import SupervisorThread

pytestmark = needs_builtin_lake
HOUR_S = 3600.0


def warehouse(platform: Platform) -> Path:
    return platform.settings.lake_root / "warehouse"


def list_files(platform: Platform) -> set[Path]:
    return {path for path in warehouse(platform).rglob("*") if path.is_file()}


def collect(platform: Platform, hours: float) -> None:
    """Let the next supervisor find a lake in which everything was written that long ago."""
    for path in warehouse(platform).rglob("*"):
        os.utime(path, (time.time() - hours * HOUR_S,) * 2)
    SupervisorThread(platform.settings).stop()


def table_folder(platform: Platform, table: str) -> Path:
    (folder,) = warehouse(platform).glob(f"t_*_silver/{table}-job-*")
    return folder


def count_rows(client: Client, table: str) -> int:
    return call_lake(client, "numeric_stats", table=table, column_name="id")["count"]


def test_files_that_a_write_has_left_are_removed_after_a_day(platform: Platform, client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    kept = list_files(platform)
    left = table_folder(platform, table) / "data" / "dataset-9-job-9.1-left-1.parquet"
    left.write_bytes(b"x")
    collect(platform, hours=23)
    assert left.exists()
    collect(platform, hours=25)
    assert list_files(platform) == kept
    assert count_rows(client, table) == 3


def test_folders_of_tables_that_failed_jobs_have_not_created_are_removed(platform: Platform, client: Client) -> None:
    """Metadata is removed behind a job that has failed only: of any other, the catalog may be lost."""
    table = new_table_name()
    made = create_in_lake(client, table)
    succeeded = made["job_id"].rpartition("-")[2]
    other = create_in_lake(client, table, b"other\n1\n")
    assert other["state"] == "failed", "the table has other columns"
    failed = other["job_id"].rpartition("-")[2]
    namespace = table_folder(platform, table).parent
    removed = [f"x-job-{failed}", f"files-job-{succeeded}", "files-job-999999"]
    kept = [f"x-job-{succeeded}", "x-job-999999"]
    for name in (*removed, *kept):
        folder = namespace / name / "metadata"
        folder.mkdir(parents=True)
        (folder / ("00000-1.metadata.json" if name.startswith("x") else "1-m0.avro")).write_bytes(b"x")
    collect(platform, hours=25)
    left = {path.name for path in namespace.iterdir()}
    assert left.isdisjoint(removed)
    assert {*kept, f"{table}-job-{succeeded}"} <= left
    assert count_rows(client, table) == 3


@needs_sqlite
def test_a_lost_catalog_loses_no_table(platform: Platform, client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    files = list_files(platform)
    catalog = platform.settings.lake_root / "catalog.db"
    moved = catalog.rename(catalog.with_suffix(".moved"))
    try:
        collect(platform, hours=1000)
        assert list_files(platform) == files
    finally:
        moved.rename(catalog)
    assert count_rows(client, table) == 3


def test_rows_of_a_deleted_dataset_stay(platform: Platform, client: Client) -> None:
    table = new_table_name()
    made = create_in_lake(client, table)
    assert client.request("DELETE", f"/dataset/delete/{made['id']}").status_code == 200
    collect(platform, hours=1000)
    assert count_rows(client, table) == 3


def test_a_lake_that_cannot_be_listed_is_said_once(
    platform: Platform, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    left = table_folder(platform, table) / "data" / "dataset-9-job-9.1-left-1.parquet"
    left.write_bytes(b"x")
    config = LakeConfig.from_settings(platform.settings)
    unlisted = {**config.properties, "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}
    collector = LakeOrphanCollector(replace(config, properties=unlisted))
    for path in warehouse(platform).rglob("*"):
        os.utime(path, (0, 0))

    async def collect_twice() -> None:
        database = Database(platform.settings)
        await collector.collect(database)
        await collector.collect(database)
        await database.close()

    client.portal.call(collect_twice)
    assert len([record for record in caplog.records if "cannot be listed" in record.message]) == 1
    assert left.exists()
    left.unlink()


def test_a_catalog_that_does_not_answer_stops_nothing(platform: Platform, client: Client, monkeypatch: Any) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    left = table_folder(platform, table) / "data" / "dataset-9-job-9.1-left-1.parquet"
    left.write_bytes(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(lake_orphans, "open_catalog", fail_to_open)
        collect(platform, hours=25)
    assert left.exists()
    collect(platform, hours=25)
    assert not left.exists()


def fail_to_open(_: LakeConfig) -> None:
    raise Unavailable("The lake does not answer.", code="lake_unavailable")
