"""The examination of an installation: it finds each damage, says how to mend it, and changes nothing."""

import json
import os
import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from dataml import cli
from dataml.doctor.examination import examine
from dataml.installation import prepare
from dataml.settings import Settings
from dataml.storage.space import DiskSpace
from deployments import platform as platforms
from deployments.processes import start_id
from tests.conftest import SQLITE_FILE, NewHome, Platform, needs_builtin_lake, needs_sqlite
from tests.damage import Objects, create_objects, flip_bytes, kept, remove, truncate
from tests.database import execute_sql
from tests.datalake.lake import create_in_lake, new_table_name
from tests.services.program import free_port


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(port=free_port())


@pytest.fixture(scope="module")
def objects(platform: Platform) -> Objects:
    return create_objects(platform)


@pytest.fixture
def home(new_home: NewHome) -> Settings:
    """Provide an installation without anything in it."""
    settings = new_home(port=free_port())
    prepare(settings)
    return settings


def found(settings: Settings, *, without: tuple[str, ...] = (), **options: Any) -> list[str]:
    """Return the findings as lines, after checking that none lacks its advice and that nothing was changed."""
    before = snapshot(settings.root, without)
    findings = examine(settings, **options)
    assert snapshot(settings.root, without) == before
    assert all(finding.message and finding.advice for finding in findings)
    return [str(finding) for finding in findings]


def found_while_running(objects: Objects, **options: Any) -> list[str]:
    """Return the same of the platform of this module, whose supervisor writes to its database at any time."""
    return found(
        objects.settings, without=(objects.settings.root.name, SQLITE_FILE, f"{SQLITE_FILE}-journal"), **options
    )


def snapshot(root: Path, without: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """Return mode, size and time of the last change of everything in a folder, but for these names."""
    status = {str(path): path.lstat() for path in (root, *root.rglob("*")) if path.name not in without}
    return {path: (each.st_mode, each.st_size, each.st_mtime_ns) for path, each in status.items()}


def only(lines: list[str]) -> str:
    (line,) = lines
    return line


def test_healthy_installation_has_no_findings(objects: Objects) -> None:
    assert found_while_running(objects) == []
    assert found_while_running(objects, hashes=True) == []


@pytest.mark.parametrize(
    ("what", "damage", "hashes", "message"),
    [
        ("path", remove, False, r"an uploaded file of dataset 1, file 1 (files/"),
        ("path", truncate, False, "has 10 bytes instead of"),
        ("parquet", remove, False, "the validated rows of dataset 1 (jobs/1.1/data.parquet) is missing"),
        ("parquet", flip_bytes, True, "its SHA-256 differs"),
        ("errors", remove, False, "the wrong cells of dataset 1"),
        ("set_aside", remove, False, "the quarantined rows of dataset 1"),
        ("bundle", remove, False, "the model of training 1"),
        ("bundle", truncate, False, "manifest is missing or cannot be read"),
        ("bundle", flip_bytes, True, "is not the one that was written"),
        ("explanation", remove, False, "the explanation of training 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_lost_or_damaged_file_is_found_with_its_row(
    objects: Objects, what: str, damage: Callable[[Path], None], hashes: bool, message: str
) -> None:
    with kept(objects.path(what)) as path:
        damage(path)
        lines = found_while_running(objects, hashes=hashes)
        if hashes:
            assert found_while_running(objects) == [], "sizes are those that were written"
    assert any(message in line for line in lines), lines
    assert all(line.startswith("error    files ") for line in lines)
    # The rows of a dataset are also those of its training.
    assert len(lines) == (2 if what == "parquet" else 1)


def test_manifest_of_another_model_is_found(objects: Objects) -> None:
    with kept(objects.path("bundle")) as folder:
        manifest = folder / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"predictor', '"predictor ', 1) + "\n")
        assert "another manifest" in only(found_while_running(objects))


def test_model_file_of_another_size_is_found_without_hashes(objects: Objects) -> None:
    with kept(objects.path("bundle")) as folder:
        (folder / "report.json").write_bytes(b"{}")
        assert "has a file report.json of another size" in only(found_while_running(objects))
        (folder / "report.json").unlink()
        assert "lacks its file report.json" in only(found_while_running(objects))


def test_folder_that_no_row_refers_to_is_a_warning(objects: Objects) -> None:
    orphan = objects.settings.storage_root / "jobs" / "999.1"
    orphan.mkdir()
    (orphan / "data.parquet").write_bytes(b"1234")
    try:
        line = only(found_while_running(objects))
    finally:
        shutil.rmtree(orphan)
    assert line.startswith("warning  files ")
    assert "1 folders of 4 bytes are of no row: jobs/999.1" in line


def test_row_that_waits_for_no_job_is_found(objects: Objects) -> None:
    execute_sql(objects.settings, f"UPDATE dataset SET state = 'validating' WHERE id = {objects.dataset_id}")
    try:
        assert "dataset 1 waits for a validation that is not queued" in only(found_while_running(objects))
    finally:
        execute_sql(objects.settings, f"UPDATE dataset SET state = 'valid' WHERE id = {objects.dataset_id}")


@needs_builtin_lake
def test_lake_table_without_its_files_is_found(objects: Objects) -> None:
    table = new_table_name()
    create_in_lake(objects.client, table)
    assert found_while_running(objects) == []
    for what in ("data", "metadata"):
        for folder in objects.settings.lake_root.glob(f"warehouse/*/{table}-*/{what}"):
            with kept(folder):
                shutil.rmtree(folder)
                folder.mkdir()
                line = only(found_while_running(objects))
            assert line.startswith("error    lake ")
            assert table in line


def test_home_before_the_first_start_has_no_errors(tmp_path: Path, new_home: NewHome) -> None:
    settings = new_home(home=tmp_path / "new", port=free_port())
    assert "there is no" in only([str(each) for each in examine(settings)])
    assert not settings.root.exists()


@needs_sqlite
def test_home_without_a_database_is_not_given_one(new_home: NewHome) -> None:
    settings = new_home(port=free_port())
    assert any("there is no" in line and "dataml.db" in line for line in found(settings))


@pytest.mark.parametrize("content", [b"", b"short"])
def test_damaged_key_is_found(home: Settings, content: bytes) -> None:
    home.key_file.write_bytes(content)
    assert "token.key is damaged" in only(found(home))


def test_missing_key_is_found(home: Settings) -> None:
    home.key_file.unlink()
    assert "token.key cannot be read" in only(found(home))


def test_secrets_that_others_can_read_are_warnings(home: Settings) -> None:
    home.key_file.chmod(0o644)
    home.root.chmod(0o755)
    lines = found(home)
    assert [line.split()[:2] for line in lines] == [["warning", "home"], ["warning", "key"]]
    assert "chmod 600" in lines[1]


def test_file_of_another_user_is_a_warning(home: Settings) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    os.chown(home.key_file, 12345, 12345)
    assert "belongs to user 12345" in only(found(home))


@pytest.mark.parametrize(("version", "word"), [("0009", "older"), ("9999", "newer")])
def test_schema_of_another_version_is_found(home: Settings, version: str, word: str) -> None:
    execute_sql(home, f"UPDATE alembic_version SET version_num = '{version}'")
    assert f"of a{'n older' if word == 'older' else ' newer'} version (schema {version}" in only(found(home))


@needs_sqlite
def test_damaged_database_is_found(home: Settings) -> None:
    file = home.root / SQLITE_FILE
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert any(line.startswith("error    database") for line in found(home))
    file.write_bytes(b"no database" * 1000)
    assert "not a database" in only(found(home))


@needs_sqlite
def test_row_that_refers_to_nothing_and_lost_table_are_found(home: Settings) -> None:
    connection = sqlite3.connect(home.root / SQLITE_FILE)
    connection.execute("UPDATE user SET tenant_id = 'nobody'")
    connection.commit()
    connection.close()
    assert any("row 1 of user refers to a row of tenant that is not there" in line for line in found(home))
    connection = sqlite3.connect(home.root / SQLITE_FILE)
    connection.execute("DROP TABLE prediction")
    connection.commit()
    connection.close()
    assert any("lacks tables: prediction" in line for line in found(home))


def test_too_little_space_is_found(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DiskSpace, "free_bytes", lambda self: 5_000_000)
    assert "5.0 MB are free" in only(found(home))


def test_port_that_is_taken_is_found(home: Settings) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", home.port))
        listener.listen(1)
        assert f"127.0.0.1:{home.port}" in only(found(home))


def test_remains_of_a_killed_platform_are_a_warning(home: Settings) -> None:
    (home.root / "run").mkdir(mode=0o700)
    platforms.record_file(home.root).write_text('{"pid": 1')
    line = only(found(home))
    assert line.startswith("warning  platform")
    assert "dataml down" in line


@contextmanager
def answering(port: int, status: str) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/api/v1/utils/health-check"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": status, "message": "as the test says"}).encode())

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_running_platform_is_asked_for_its_health(home: Settings) -> None:
    record = platforms.PlatformRecord(os.getpid(), start_id(os.getpid()), "0.0.0.0", home.port, "")
    (home.root / "run").mkdir(mode=0o700)
    platforms.record_file(home.root).write_text(json.dumps(asdict(record)))
    with answering(home.port, "ok"):
        assert found(home) == []
    with answering(home.port, "degraded"):
        assert "as the test says" in only(found(home))
    assert "does not answer" in only(found(home))


def test_command_has_exit_codes_lines_and_json(
    home: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATAML_HOME", str(home.root))
    monkeypatch.setenv("DATAML_PORT", str(home.port))
    monkeypatch.setenv("DATAML_DATABASE_URL", home.sqlalchemy_url)
    assert cli.main(["doctor", "--hash"]) == 0
    assert capsys.readouterr().out == "0 errors, 0 warnings\n"
    home.key_file.chmod(0o644)
    assert cli.main(["doctor"]) == 0, "nothing fails for a warning"
    assert capsys.readouterr().out.endswith("0 errors, 1 warnings\n")
    home.key_file.unlink()
    assert cli.main(["doctor", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["home"], answer["errors"], answer["warnings"]) == (str(home.root), 1, 0)
    assert set(answer["findings"][0]) == {"severity", "check", "message", "advice"}
