"""Settings that cannot work end in one line and exit code 2, before Ray or a database is touched."""

from pathlib import Path

import pytest

from dataml import cli
from dataml.access.tokens import TokenKeys
from dataml.errors import EXIT_CANNOT_START
from dataml.installation import ADMIN_PASSWORD_FILE, prepare
from tests.conftest import NewHome
from tests.database import execute_sql

COMMANDS = ("up", "down", "demo", "migrate", "admin", "doctor", "rotate-key")


def refusal(capsys: pytest.CaptureFixture[str], command: str = "up") -> str:
    """The one line that a command which cannot start leaves."""
    return refusal_of(capsys, [command])


def refusal_of(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert cli.main(arguments) == EXIT_CANNOT_START == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("dataml: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATAML_PORT", "0"),
        ("DATAML_PORT", "eighty"),
        ("DATAML_WORKERS", "0"),
        ("DATAML_MIN_USABILITY", "1.5"),
        ("DATAML_ADMIN_PASSWORD", "short"),
        ("DATAML_REQUEST_TIMEOUT_S", "0"),
    ],
)
def test_setting_out_of_range_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert name in refusal(capsys, command)


def test_contradicting_settings_are_both_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATAML_ENDPOINT_MIN_REPLICAS", "3")
    monkeypatch.setenv("DATAML_ENDPOINT_MAX_REPLICAS", "2")
    line = refusal(capsys)
    assert "DATAML_ENDPOINT_MIN_REPLICAS" in line
    assert "DATAML_ENDPOINT_MAX_REPLICAS" in line


def test_refused_password_is_not_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DATAML_ADMIN_PASSWORD", "tooshort")
    assert "tooshort" not in refusal(capsys)


def test_home_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    blocked = f"{tmp_path}/file"
    with open(blocked, "w"):
        monkeypatch.setenv("DATAML_HOME", f"{blocked}/home")
    assert blocked in refusal(capsys, "migrate")


def test_down_reports_that_no_platform_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("DATAML_HOME", str(tmp_path))
    assert cli.main(["down"]) == 0
    assert capsys.readouterr().out == f"no platform runs in {tmp_path}\n"


def test_missing_key_cannot_be_rotated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("DATAML_HOME", str(tmp_path))
    assert "token.key" in refusal(capsys, "rotate-key")
    assert list(tmp_path.iterdir()) == []


def test_rotated_key_still_verifies_tokens_of_the_previous_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, new_home: NewHome
) -> None:
    settings = new_home(home=tmp_path)
    prepare(settings)
    token = TokenKeys.load(settings.key_file).sign(7, 8, 60)
    monkeypatch.setenv("DATAML_HOME", str(tmp_path))
    assert cli.main(["rotate-key"]) == 0
    assert "new key" in capsys.readouterr().out
    assert TokenKeys.load(settings.key_file).read(token).user_id == 7


def test_admin_command_sets_a_new_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, new_home: NewHome
) -> None:
    settings = new_home(home=tmp_path)
    monkeypatch.setenv("DATAML_HOME", str(tmp_path))
    monkeypatch.setenv("DATAML_DATABASE_URL", settings.sqlalchemy_url)
    assert "run `dataml migrate`" in refusal_of(capsys, ["admin", "--new-password"])
    prepare(settings)
    assert cli.main(["admin", "--new-password"]) == 0
    file = tmp_path / ADMIN_PASSWORD_FILE
    assert str(file) in capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600
    first = file.read_text()
    execute_sql(settings, "DELETE FROM user_role")
    assert len(first.strip()) >= 24
    assert cli.main(["admin", "--new-password"]) == 0
    assert file.read_text() != first
    roles = execute_sql(settings, "SELECT name FROM user_role JOIN role ON role.id = role_id")
    assert roles == [("admin",)], "also when the role was lost"
