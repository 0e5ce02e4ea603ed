"""The first start makes an installation, every later one leaves it as it is."""

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

from dataml.access.passwords import verify_password
from dataml.db import schema
from dataml.errors import StartupError
from dataml.installation import ADMIN_PASSWORD_FILE, prepare
from dataml.settings import Settings, load_settings
from dataml.tables import METADATA
from tests.conftest import NewHome, needs_sqlite
from tests.database import execute_sql, read_stored_bytes

PASSWORD = "a password for tests"
ROLES = (
    "SELECT role.name, permission.name FROM role JOIN role_permission ON role_id = role.id "
    "JOIN permission ON permission.id = permission_id ORDER BY 1, 2"
)


@pytest.fixture
def settings(tmp_path: Path, new_home: NewHome) -> Settings:
    return new_home(home=tmp_path / "home", admin_password=None)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(settings: Settings) -> dict[str, bytes]:
    files = {str(path): path.read_bytes() for path in sorted(settings.root.rglob("*")) if path.is_file()}
    return files | {"": read_stored_bytes(settings)}


def refused(settings: Settings) -> str:
    """The one line that says why the platform does not start."""
    with pytest.raises(StartupError) as caught:
        prepare(settings)
    line = str(caught.value)
    assert line
    assert "\n" not in line
    return line


def admin_password_fits(settings: Settings, password: str) -> bool:
    ((found,),) = execute_sql(settings, 'SELECT password_hash FROM "user"')
    return asyncio.run(verify_password(password, found)).is_match


def test_first_start_creates_a_key_a_tenant_and_an_administrator(settings: Settings) -> None:
    prepare(settings)
    assert mode(settings.root) == 0o700
    assert mode(settings.key_file) == 0o600
    assert execute_sql(settings, "SELECT name, is_active FROM tenant") == [("default", 1)]
    assert execute_sql(settings, 'SELECT username, is_active, is_platform_admin FROM "user"') == [("admin", 1, 1)]
    assert execute_sql(settings, "SELECT user_id, name FROM user_role JOIN role ON role.id = role_id") == [(1, "admin")]
    password_file = settings.root / ADMIN_PASSWORD_FILE
    assert mode(password_file) == 0o600
    assert len(password_file.read_text().strip()) >= 24
    assert admin_password_fits(settings, password_file.read_text().strip())


def test_two_installations_share_no_secret(tmp_path: Path, new_home: NewHome) -> None:
    homes = [new_home(home=tmp_path / name, admin_password=None) for name in "ab"]
    for settings in homes:
        prepare(settings)
    for name in ("token.key", ADMIN_PASSWORD_FILE):
        assert len({(settings.root / name).read_bytes() for settings in homes}) == 2


def test_second_start_changes_nothing(settings: Settings) -> None:
    prepare(settings)
    before = contents(settings)
    prepare(settings)
    assert contents(settings) == before
    prepare(settings.model_copy(update={"admin_password": SecretStr("another password")}))
    assert contents(settings) == before


def test_configured_password_is_used_and_not_written_to_a_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAML_ADMIN_PASSWORD", PASSWORD)
    settings = load_settings(home=settings.home, database_url=settings.database_url)
    prepare(settings)
    assert admin_password_fits(settings, PASSWORD)
    assert not (settings.root / ADMIN_PASSWORD_FILE).exists()
    assert all(PASSWORD.encode() not in content for content in contents(settings).values())


@needs_sqlite
def test_interrupted_start_is_completed_by_the_next(settings: Settings) -> None:
    """Cut between the password's file and the user: the password that the console named is the one."""
    prepare(settings)
    password = (settings.root / ADMIN_PASSWORD_FILE).read_text().strip()
    key = settings.key_file.read_bytes()
    (settings.root / "dataml.db").unlink()
    prepare(settings)
    assert admin_password_fits(settings, password)
    assert settings.key_file.read_bytes() == key


def test_missing_key_of_an_installation_with_users_stops_the_start(settings: Settings) -> None:
    prepare(settings)
    settings.key_file.unlink()
    assert "token.key" in refused(settings)
    assert not settings.key_file.exists()


@pytest.mark.parametrize("content", [b"", b"short"])
def test_damaged_key_stops_the_start(settings: Settings, content: bytes) -> None:
    prepare(settings)
    settings.key_file.write_bytes(content)
    assert "damaged" in refused(settings)
    assert settings.key_file.read_bytes() == content


def test_newer_database_stops_the_start_and_is_unchanged(settings: Settings) -> None:
    prepare(settings)
    execute_sql(settings, "UPDATE alembic_version SET version_num = '9999'")
    before = contents(settings)
    line = refused(settings)
    assert line == f"the database is of a newer version (schema 9999, this version knows {schema.VERSION})"
    with pytest.raises(StartupError, match=re.escape(line)):
        schema.check(settings)
    assert contents(settings) == before


@needs_sqlite
def test_migration_that_is_killed_between_two_statements_is_done_by_the_next_start(
    settings: Settings, tmp_path: Path
) -> None:
    program = """
import os, signal
from sqlalchemy import event
from sqlalchemy.engine import Engine
from dataml.db import schema
from dataml.settings import load_settings

def kill(connection, cursor, statement, *_):
    if "has_row_numbers" in statement:  # in the middle of migration 0011
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "after_cursor_execute", kill)
schema.migrate(load_settings())
"""
    settings.root.mkdir()
    killed = subprocess.run([sys.executable, "-c", program], env=os.environ | {"DATAML_HOME": str(settings.root)})
    assert killed.returncode == -signal.SIGKILL
    assert (settings.root / "dataml.db-journal").exists(), "it was in the middle of a transaction"
    prepare(settings)
    assert execute_sql(settings, "SELECT version_num FROM alembic_version") == [(schema.VERSION,)]
    assert execute_sql(settings, "PRAGMA integrity_check") == [("ok",)]


@needs_sqlite
def test_migration_that_fails_says_from_which_schema_and_changes_nothing(settings: Settings) -> None:
    prepare(settings)
    execute_sql(settings, "UPDATE alembic_version SET version_num = '0010'")
    before = contents(settings)
    assert refused(settings).startswith("the database cannot be migrated from schema 0010: ")
    assert contents(settings) == before


@needs_sqlite
def test_tables_without_a_version_stop_the_start(settings: Settings) -> None:
    prepare(settings)
    execute_sql(settings, "DELETE FROM alembic_version")
    assert "no version" in refused(settings)


@needs_sqlite
@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: content[:4096] * 9])
def test_damaged_database_stops_the_start(settings: Settings, damage: Callable[[bytes], bytes]) -> None:
    prepare(settings)
    file = settings.root / "dataml.db"
    file.write_bytes(damage(file.read_bytes()))
    assert "restore it from a backup" in refused(settings)


@needs_sqlite
def test_database_that_can_only_be_read_stops_the_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(settings)

    def only_read(connection: DBAPIConnection, _: object) -> None:
        connection.cursor().execute("PRAGMA query_only=ON")

    event.listen(Engine, "connect", only_read)
    try:
        assert "readonly database" in refused(settings)
    finally:
        event.remove(Engine, "connect", only_read)


def test_empty_database_beside_files_of_an_installation_stops_the_start(settings: Settings) -> None:
    """Else the files would be taken for orphans, and removed."""
    kept = settings.storage_root / "files" / "tenant" / "upload" / "1.csv"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"a\n1\n")
    assert "storage has files" in refused(settings)
    assert kept.exists()
    assert not settings.key_file.exists()


@needs_sqlite
def test_invalid_database_file_stops_the_start(settings: Settings) -> None:
    settings.root.mkdir()
    (settings.root / "dataml.db").write_bytes(b"this is no database" * 100)
    assert "database" in refused(settings)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg://nobody@127.0.0.1:1/nothing", "cannot be opened"),
        ("postgresql+psycopg://nobody:secret@host:port/nothing", "no URL"),
    ],
)
def test_unreachable_database_server_stops_the_start(tmp_path: Path, url: str, said: str) -> None:
    line = refused(load_settings(home=tmp_path / "home", database_url=url))
    assert said in line
    assert "secret" not in line


def test_home_that_is_a_file_stops_the_start(settings: Settings) -> None:
    settings.root.write_text("")
    assert str(settings.root) in refused(settings)


def test_process_refuses_a_database_that_was_never_migrated(settings: Settings) -> None:
    settings.root.mkdir()
    with pytest.raises(StartupError, match="run `dataml migrate`"):
        schema.check(settings)
    prepare(settings)
    schema.check(settings)


def test_schema_version_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    assert scripts.get_heads() == [schema.VERSION]
    assert [revision.revision for revision in scripts.walk_revisions()][-1] == "0001"


@needs_sqlite
def test_installation_of_the_first_version_is_migrated(settings: Settings) -> None:
    """Its users keep their passwords and roles, and log in again; the roles are those of a new tenant."""
    prepare(settings)
    fresh = execute_sql(settings, ROLES)
    (settings.root / "dataml.db").unlink()
    engine = create_engine(f"sqlite:///{settings.root / 'dataml.db'}")
    with engine.connect() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()
    engine.dispose()
    now = "'2026-01-01 00:00:00'"
    execute_sql(settings, f"INSERT INTO tenant VALUES ('t', 'old', 1, {now}, {now})")
    for user_id, role in ((1, "admin"), (2, "analyst")):
        columns = "username, role, email, id, password_hash, is_active, is_platform_admin, tenant_id"
        values = f"'{role}', '{role}', 'A@b.c{user_id}', {user_id}, 'h', 1, 0, 't', {now}, {now}"
        execute_sql(settings, f"INSERT INTO user ({columns}, created_at, modified_at) VALUES ({values})")
    execute_sql(settings, f"INSERT INTO session VALUES (1, 'r', {now}, {now}, NULL, 1, 't')")
    prepare(settings)
    assert execute_sql(settings, ROLES) == fresh
    assert execute_sql(settings, "SELECT user_id, name FROM user_role JOIN role ON role.id = role_id") == [
        (1, "admin"),
        (2, "analyst"),
    ]
    assert execute_sql(settings, 'SELECT username_key, email_key, password_hash FROM "user"') == [
        ("admin", "a@b.c1", "h"),
        ("analyst", "a@b.c2", "h"),
    ]
    assert execute_sql(settings, "SELECT * FROM session") == []
    assert execute_sql(settings, "PRAGMA foreign_key_check") == []


@needs_sqlite
def test_migration_keeps_predictions_and_trainings_of_the_third_version(settings: Settings) -> None:
    """Its predictions are copied to a table without the key to their training; its trainings are promoted."""
    settings.root.mkdir()
    engine = create_engine(f"sqlite:///{settings.root / 'dataml.db'}")
    with engine.connect() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.commit()
    engine.dispose()
    now = "'2026-01-01 00:00:00.000000'"
    execute_sql(settings, f"INSERT INTO tenant (id, name, name_key, is_active, created_at, modified_at) "
         f"VALUES ('t', 'old', 'old', 1, {now}, {now})")  # fmt: skip
    made = {
        "dataset": {
            "name": "'d'",
            "usage": "'t'",
            "data_source": "'csv'",
            "on_error": "'quarantine'",
            "state": "'valid'",
        }
        | {"total_records": 1, "kept_records": 1},
        "preprocess": {"contract": "'{}'", "roles": "'{}'"},
        "training": {"predictor_name": "'p'", "version": 1, "dataset_id": 1, "preprocess_id": 1, "domain": "'d'"}
        | {"problem_type": "'Regression'", "target": "'y'", "requested_algorithm": "'auto'", "shap_enabled": 0}
        | {"shap_sample_rows": 1, "status": "'completed'", "endpoint": "'pool'"},
    }
    for table, values in made.items():
        values |= {"id": 1, "tenant_id": "'t'", "created_at": now, "modified_at": now}
        values |= {} if table == "preprocess" else {"created_by": "'me'"}
        execute_sql(
            settings, f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(map(str, values.values()))})"
        )
    columns = "id, tenant_id, training_id, prediction_type, status, records, failed_records, input_data, created_by"
    execute_sql(settings, f"INSERT INTO prediction ({columns}, created_at) "
         f"VALUES ({2**62}, 't', 1, 'realtime', 'completed', 1, 0, '{{}}', 'me', {now})")  # fmt: skip
    before = execute_sql(settings, "SELECT * FROM prediction")
    prepare(settings)
    assert [row[: len(before[0])] for row in execute_sql(settings, "SELECT * FROM prediction")] == before
    assert execute_sql(settings, "SELECT is_promoted, parent_id, requested FROM training") == [(1, None, None)]
    assert execute_sql(settings, "PRAGMA foreign_key_check") == []
    pointed_at = {row[2] for row in execute_sql(settings, "PRAGMA foreign_key_list(prediction)")}
    assert pointed_at == {"tenant", "dataset", "file"}


def test_migrations_create_the_tables_of_the_models(settings: Settings) -> None:
    prepare(settings)
    engine = create_engine(settings.blocking_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()
    assert {"user", "dataset", "training", "job", "prediction", "template"} <= set(METADATA.tables)
