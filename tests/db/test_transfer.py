"""An installation moves from SQLite to PostgreSQL with every row it has, or not at all."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.exc import DBAPIError

from dataml import cli
from dataml.db import transfer as module
from dataml.db.transfer import transfer
from dataml.errors import EXIT_CANNOT_START, StartupError
from dataml.settings import Settings
from dataml.tables import METADATA
from deployments import platform as platforms
from tests.client import Client, wait_for_job
from tests.conftest import NewHome, Platform, needs_postgresql
from tests.database import execute_sql
from tests.postgres import PostgresServer
from tests.sample_tenant import create_sample_tenant, training_request

pytestmark = needs_postgresql
STOPPED = "UPDATE supervisor_lease SET expires_at = '2020-01-01 00:00:00.000000'"


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(database_url=None)


@pytest.fixture(scope="module")
def populated(platform: Platform, client: Client) -> Settings:
    """An installation with rows in every table but those that fill by themselves; its platform runs."""
    objects = create_sample_tenant(client)
    name = objects.ids["predictor_name"]
    predicted = client.post(f"/models/default/{name}/predict", json={"features": {"age": 60, "plan": "basic"}}).json()
    actual = {"prediction_id": predicted["prediction_id"], "value": predicted["prediction"]}
    assert client.post(f"/predictors/{name}/actuals", json={"actuals": [actual]}).json()["added"] == 1
    client.post("/login/access-token", data={"username": "admin", "password": "Ünïcode \u2028 \U0001f600"})
    assert client.request("PUT", f"/endpoints/{objects.ids['train_id']}", json={}).status_code == 200
    alias = f"/predictors/{name}/aliases/transferred"
    assert client.request("PUT", alias, json={"version": 1}).status_code == 200
    column = {"schema": objects.ids["schema_name"], "table": objects.ids["table_name"], "column": "age"}
    assert client.get("/datalake/distinct-count", params=column).status_code == 200
    request = training_request(objects.ids["dataset_id"], "deleted")
    deleted = client.post("/train/", json=request, headers={"Idempotency-Key": "transferred"}).json()
    wait_for_job(client, deleted["job_id"])
    assert client.request("DELETE", f"/train/delete/{deleted['id']}").status_code == 200
    return platform.settings


@pytest.fixture
def source(populated: Settings, tmp_path: Path, new_home: NewHome) -> Settings:
    """A copy of it that nobody works on."""
    with sqlite3.connect(populated.root / "dataml.db") as original, sqlite3.connect(tmp_path / "dataml.db") as copy:
        original.backup(copy)
    shutil.copy(populated.key_file, tmp_path)
    settings = new_home(home=tmp_path, database_url=None)
    execute_sql(settings, STOPPED)
    return settings


@pytest.fixture
def target(source: Settings, postgres: PostgresServer) -> Settings:
    return source.model_copy(update={"database_url": postgres.new_database()})


def tables(settings: Settings) -> list[str]:
    engine = create_engine(settings.blocking_url)
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def everything(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Every row as the application reads it."""
    engine = create_engine(settings.blocking_url)
    with engine.connect() as connection:
        found = {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in METADATA.tables.items()
        }
    engine.dispose()
    return found


def test_every_row_of_every_table_is_transferred(source: Settings, target: Settings) -> None:
    before = (source.root / "dataml.db").read_bytes()
    counts = transfer(source, target, METADATA)
    moved = everything(target)
    assert moved == everything(source)
    assert {name: len(found) for name, found in moved.items()} == counts
    empty = {name for name, count in counts.items() if not count}
    assert empty <= {"login_failures"}, "a table without a row proves nothing"
    assert (source.root / "dataml.db").read_bytes() == before


def test_new_rows_get_unused_ids(source: Settings, target: Settings) -> None:
    execute_sql(source, "UPDATE sqlite_sequence SET seq = 1000 WHERE name = 'training'")
    transfer(source, target, METADATA)
    assert execute_sql(target, "SELECT nextval(pg_get_serial_sequence('training', 'id'))") == [(1001,)]
    ((last,),) = execute_sql(target, "SELECT max(id) FROM audit_event")
    assert execute_sql(target, "SELECT nextval(pg_get_serial_sequence('audit_event', 'id'))") == [(last + 1,)]


def test_audit_log_stays_append_only(source: Settings, target: Settings) -> None:
    transfer(source, target, METADATA)
    with pytest.raises(DBAPIError, match="append-only"):
        execute_sql(target, "DELETE FROM audit_event")


def test_interrupted_transfer_leaves_nothing_and_can_be_repeated(
    source: Settings, target: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_advance_sequences", interrupted)
        with pytest.raises(KeyboardInterrupt):
            transfer(source, target, METADATA)
    assert tables(target) == []
    transfer(source, target, METADATA)
    assert everything(target) == everything(source)


def test_value_that_postgresql_refuses_is_named_and_nothing_is_transferred(source: Settings, target: Settings) -> None:
    execute_sql(source, "UPDATE job SET failure_detail = 'a' || char(0) || 'b' WHERE id = 1")
    with pytest.raises(StartupError, match=r"a row of job: .*NUL"):
        transfer(source, target, METADATA)
    assert tables(target) == []


def test_transfer_with_changed_rows_is_rolled_back(
    source: Settings, target: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module._copy

    def careless(table: module.Table, here: module.Connection, there: module.Connection) -> int:
        count = real(table, here, there)
        if table.name == "training":
            there.exec_driver_sql("UPDATE training SET accuracy = accuracy + 0.0000001")
        return count

    monkeypatch.setattr(module, "_copy", careless)
    with pytest.raises(StartupError, match="the rows of training did not arrive"):
        transfer(source, target, METADATA)
    assert tables(target) == []


def test_target_database_with_tables_is_refused(source: Settings, target: Settings) -> None:
    execute_sql(target, "CREATE TABLE somebodys (id integer)")
    with pytest.raises(StartupError, match="give an empty one"):
        transfer(source, target, METADATA)
    assert tables(target) == ["somebodys"]


def test_database_of_a_running_platform_is_refused(populated: Settings, target: Settings) -> None:
    with pytest.raises(StartupError, match="stop it"):
        transfer(populated, target, METADATA)
    assert tables(target) == []


def test_transfer_is_only_from_sqlite_to_postgresql(source: Settings, target: Settings) -> None:
    for here, there in ((source, source), (target, target), (target, source)):
        with pytest.raises(StartupError, match="from SQLite to PostgreSQL"):
            transfer(here, there, METADATA)


def test_command_transfers_the_database_of_the_home(
    source: Settings, target: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATAML_HOME", str(source.root))
    assert target.database_url is not None
    with platforms.lock_home(source.root):
        assert cli.main(["migrate", "--to", target.database_url]) == EXIT_CANNOT_START
    assert "already runs" in capsys.readouterr().err
    for url in ("postgres://localhost/x", "nonsense"):
        assert cli.main(["migrate", "--to", url]) == EXIT_CANNOT_START
        assert "DATAML_DATABASE_URL" in capsys.readouterr().err
    assert cli.main(["migrate", "--to", target.database_url]) == 0
    assert "DATAML_DATABASE_URL" in capsys.readouterr().out
    monkeypatch.setenv("DATAML_DATABASE_URL", target.database_url)
    assert cli.main(["migrate"]) == 0
    assert everything(target) == everything(source)
