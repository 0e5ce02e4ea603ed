"""Files and lake in a real S3 server: every node does all, and one that is away loses nothing."""

import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataml.errors import StartupError, Unavailable
from dataml.iceberg.catalog import LakeConfig, load_table, open_catalog
from dataml.iceberg.names import TableName, tenant_namespace
from dataml.iceberg.orphans import find_orphans
from dataml.installation import prepare
from dataml.runner import supervisor as supervision
from dataml.runner.orphans import collect_orphans
from dataml.settings import Settings
from dataml.storage.objects import ObjectStore
from dataml.storage.storage import Storage
from tests.client import wait_for_job
from tests.conftest import NewHome, Platform
from tests.datalake.lake import call_lake as ask_lake
from tests.datalake.lake import create_from_table, create_in_lake, new_table_name
from tests.dataset.datasets import create_dataset, list_remains, upload
from tests.fakes import SupervisorThread
from tests.inference.series import SHOPS, future_of, shop_rows, trained_forecast
from tests.inference.series import ask as ask_forecast
from tests.services.s3 import S3Server
from tests.storage.nodes import check_node_with_empty_disk, predict, run_node, wipe_disk
from tests.train.training import row_of, small_csv, train, trained

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def settings(new_home: NewHome, s3: S3Server) -> Settings:
    return new_home(storage_url=s3.url("platform"), storage_timeout_s=0)


@pytest.fixture
def away(s3: S3Server) -> Iterator[S3Server]:
    """The server is not there until the test starts it, or is over."""
    s3.stop()
    yield s3
    s3.stop()
    s3.start()


def files(s3: S3Server) -> set[str]:
    return {name for name in s3.objects("platform") if not name.startswith("lake/")}


def test_node_with_an_empty_disk_serves_every_call(platform: Platform, s3: S3Server, tmp_path: Path) -> None:
    check_node_with_empty_disk(platform, tmp_path, lambda: files(s3))


def test_forecast_uses_a_bundle_of_another_node(platform: Platform, s3: S3Server, tmp_path: Path) -> None:
    model = trained_forecast(platform.client, shop_rows(range(120)))
    more = create_dataset(platform.client, ("more.csv", shop_rows(range(120, 127))), usage="p")
    question = {"unique_ids": "all", "dataset_id": more["id"], "future": future_of(range(127, 130), *SHOPS), "steps": 3}
    expected = ask_forecast(platform.client, model, **question).json()["forecast"]
    wipe_disk(platform)
    with run_node(platform, tmp_path) as other:
        assert ask_forecast(other, model, **question).json()["forecast"] == expected


def test_multipart_file_is_read_back_unchanged(s3: S3Server, tmp_path: Path) -> None:
    here, there = (Storage(tmp_path / name, ObjectStore(s3.url("parts"))) for name in ("here", "there"))
    content = bytes(range(256)) * (1 << 17)
    path = here.path("files/t/a/1.csv")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    here.publish("files/t/a")
    assert there.fetch("files/t/a/1.csv").read_bytes() == content
    assert set(there.list_folders()) == {"files/t/a"}
    here.remove("files/t/a")
    assert s3.objects("parts") == set()


def test_lake_is_stored_in_the_object_store(platform: Platform, s3: S3Server) -> None:
    table = new_table_name()
    create_in_lake(platform.client, table)
    assert any(name.startswith("lake/") and name.endswith(".parquet") for name in s3.objects("platform"))
    assert not list(platform.settings.lake_root.rglob("*.parquet"))
    wipe_disk(platform)
    rows = create_from_table(platform.client, table)
    assert (rows["state"], rows["total_records"]) == ("valid", 3)
    assert ask_lake(platform.client, "table_metadata", table=table)["row_count"] == 3


def test_upload_during_an_outage_leaves_nothing(platform: Platform, away: S3Server) -> None:
    before = list_remains(platform)
    answer = upload(platform.client, ("small.csv", small_csv()))
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert list_remains(platform) == before
    away.start()
    assert create_dataset(platform.client, ("small.csv", small_csv()))["state"] == "valid"


def test_job_whose_result_cannot_be_stored_fails_and_can_be_repeated(platform: Platform, s3: S3Server) -> None:
    rows = create_dataset(platform.client, ("small.csv", small_csv()))
    before = files(s3)
    s3.stop()
    answer = train(platform.client, rows["id"])
    job = wait_for_job(platform.client, answer.json()["job_id"])
    s3.start()
    assert (job["state"], job["error"]["code"]) == ("failed", "storage_unavailable")
    assert row_of(platform.client, answer.json()["id"])["train_status"] == "failed"
    assert files(s3) == before
    assert trained(platform.client, rows["id"])["train_status"] == "completed"


def test_orphans_are_collected_after_an_outage(
    platform: Platform, away: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: queue.Queue[bool] = queue.Queue()

    async def observed(*args: Any) -> bool:
        done = await collect_orphans(*args)
        tried.put(done)
        return done

    monkeypatch.setattr(supervision, "collect_orphans", observed)
    monkeypatch.setattr(supervision.Supervisor, "ORPHAN_RETRY_S", 0.01)
    stray = away.put("platform/jobs/99998.1/left")
    supervisor = SupervisorThread(platform.settings)
    assert not tried.get(timeout=60)
    away.start()
    while not tried.get(timeout=60):
        pass
    supervisor.stop()
    assert not stray.exists()


def test_store_that_never_answers_is_unavailable(s3: S3Server) -> None:
    store = ObjectStore(s3.url("silent"))
    assert not store.exists("x")
    s3.pause()
    try:
        with pytest.raises(Unavailable):
            store.exists("x")
    finally:
        s3.resume()


def test_cached_files_are_served_during_an_outage(platform: Platform, s3: S3Server, tmp_path: Path) -> None:
    rows = create_dataset(platform.client, ("small.csv", small_csv()))
    model = trained(platform.client, rows["id"])
    with run_node(platform, tmp_path) as other:
        s3.stop()
        assert predict(platform.client, model)
        answer = other.get("/dataset/view", params={"dataset_id": rows["id"]})
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        s3.start()
        assert other.get("/dataset/view", params={"dataset_id": rows["id"]}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"bucket": "another"}, "NO_SUCH_BUCKET"), ({"secret": "wrong"}, "SIGNATURE_DOES_NOT_MATCH")],
)
def test_start_names_the_problem_of_the_store(
    new_home: NewHome, s3: S3Server, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(StartupError, match=f"DATAML_STORAGE_URL: {reason}"):
        prepare(new_home(storage_url=s3.url("platform", **changes)))


def test_start_without_the_store_is_refused(new_home: NewHome, away: S3Server) -> None:
    with pytest.raises(StartupError, match="NETWORK_CONNECTION"):
        prepare(new_home(storage_url=away.url("platform")))


def test_orphans_of_a_lake_in_the_store_are_removed(platform: Platform, s3: S3Server) -> None:
    table = new_table_name()
    create_in_lake(platform.client, table)
    config = LakeConfig.from_settings(platform.settings)
    catalog = open_catalog(config)
    tenant_id = platform.client.post("/login/test-token").json()["tenant_id"]
    namespace = tenant_namespace(tenant_id, "silver")
    files_before = s3.objects("platform")
    location = load_table(catalog, TableName(namespace, table)).location()
    io = load_table(catalog, TableName(namespace, table)).io
    folder = f"{location.rpartition('/')[0]}/never-job-999999"
    for path in (f"{location}/data/dataset-9-job-9.1-left-1.parquet", f"{folder}/data/x.parquet"):
        with io.new_output(path).create() as stream:
            stream.write(b"x")
    assert find_orphans(catalog, [namespace], time.time() - 3600).files == []
    orphans = find_orphans(catalog, [namespace], time.time() + 3600)
    assert [path.rpartition("/")[2] for _, path in orphans.files] == ["dataset-9-job-9.1-left-1.parquet"]
    assert orphans.is_complete
    assert [each.path for _, each in orphans.folders] == [folder]
    orphans.remove([folder])
    assert s3.objects("platform") == files_before
    assert ask_lake(platform.client, "numeric_stats", table=table, column_name="id")["count"] == 3
