"""`dataml login`, `logout`, `status`, and who is taken to call."""

import json
from pathlib import Path

import pytest

from dataml.cli.exit_codes import ExitCode
from tests.cli.conftest import CommandLine
from tests.client import PASSWORD


def profiles(config: Path) -> dict[str, dict[str, object]]:
    return json.loads((config / "dataml" / "profiles.json").read_text())


def test_login_writes_a_profile_that_only_its_owner_reads(nobody: CommandLine, tmp_path: Path) -> None:
    ended = nobody.run("login", "-u", "admin", DATAML_PASSWORD=PASSWORD)
    assert (ended.exit_code, ended.stdout) == (0, "")
    file = tmp_path / "dataml" / "profiles.json"
    assert str(file) in ended.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in file.read_text()
    assert nobody.data("status")["username"] == "admin"


def test_login_reads_the_password_from_stdin(nobody: CommandLine) -> None:
    assert nobody.run("login", "-u", "analyst", "--password-stdin", stdin=f"{PASSWORD}\n").exit_code == 0
    assert nobody.data("status")["roles"] == ["analyst"]


def test_login_without_a_terminal_says_where_a_password_can_come_from(nobody: CommandLine) -> None:
    assert "DATAML_PASSWORD" in nobody.refused(ExitCode.USAGE, "login", "-u", "admin")
    assert "--username" in nobody.refused(ExitCode.USAGE, "login")


def test_wrong_password_is_exit_code_3_and_writes_no_profile(nobody: CommandLine, tmp_path: Path) -> None:
    message = nobody.refused(ExitCode.FORBIDDEN, "login", "-u", "admin", DATAML_PASSWORD="not this one")
    assert message == "dataml: Wrong username or password. [bad_credentials]\n"
    assert list(tmp_path.iterdir()) == []


def test_empty_password_is_wrong_usage(nobody: CommandLine) -> None:
    nobody.refused(ExitCode.USAGE, "login", "-u", "admin", DATAML_PASSWORD="")


def test_command_without_a_profile_is_exit_code_3(nobody: CommandLine) -> None:
    assert "dataml login" in nobody.refused(ExitCode.FORBIDDEN, "datasets", "list")
    assert "dataml login" in nobody.refused(ExitCode.FORBIDDEN, "status")


def test_logout_ends_the_session(nobody: CommandLine, tmp_path: Path) -> None:
    nobody.run("login", "-u", "admin", DATAML_PASSWORD=PASSWORD)
    file = tmp_path / "dataml" / "profiles.json"
    kept = file.read_text()
    assert nobody.run("logout").exit_code == 0
    assert profiles(tmp_path) == {}
    file.write_text(kept)
    message = nobody.refused(ExitCode.FORBIDDEN, "datasets", "list")
    assert "dataml login" in message
    assert nobody.run("logout").exit_code == 0, "also of a session that has ended"
    nobody.refused(ExitCode.FORBIDDEN, "logout")


def test_profiles_stand_side_by_side(nobody: CommandLine) -> None:
    nobody.run("login", "-u", "admin", "--profile", "work", DATAML_PASSWORD=PASSWORD)
    nobody.run("login", "-u", "stranger", "--profile", "home", DATAML_PASSWORD=PASSWORD)
    assert nobody.data("status", "--profile", "work")["username"] == "admin"
    assert nobody.data("status", DATAML_PROFILE="home")["username"] == "stranger"
    assert nobody.data("--profile", "work", "status")["username"] == "admin", "also before the command"
    nobody.refused(ExitCode.FORBIDDEN, "status")


def test_api_key_stands_in_for_a_profile(admin: CommandLine, nobody: CommandLine) -> None:
    key = admin.data("keys", "create", "reader", "--permission", "can_view")["key"]
    assert nobody.data("datasets", "list", "--api-key", key)["total"] == 0
    assert nobody.data("datasets", "list", DATAML_API_KEY=key)["total"] == 0
    message = nobody.refused(ExitCode.FORBIDDEN, "users", "list", "--api-key", key)
    assert "can_manage_users" in message
    assert nobody.run("login", "--api-key", key).exit_code == 0
    assert nobody.data("status")["permissions"] == ["can_view"]


def test_api_key_that_is_not_valid_is_exit_code_3(nobody: CommandLine) -> None:
    nobody.refused(ExitCode.FORBIDDEN, "datasets", "list", "--api-key", "dataml_" + "x" * 40)


def test_platform_that_does_not_answer_is_exit_code_6(nobody: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataml.client.retries._FIRST_DELAY_S", 0.0)
    key = "dataml_" + "x" * 40
    url = "http://127.0.0.1:9"
    assert url in nobody.refused(ExitCode.UNAVAILABLE, "datasets", "list", "--url", url, "--api-key", key)


def test_profile_is_not_sent_to_another_platform(admin: CommandLine) -> None:
    message = admin.refused(ExitCode.FORBIDDEN, "datasets", "list", "--url", "http://127.0.0.1:9")
    assert "127.0.0.1:9" in message


def test_status_shows_the_platform_and_the_caller(viewer: CommandLine) -> None:
    ended = viewer.run("status")
    assert ended.exit_code == 0
    for word in (viewer.environment["DATAML_URL"], "ok", "analyst", "can_predict"):
        assert str(word) in ended.stdout


def test_status_of_the_platform_is_for_its_administrators(admin: CommandLine, viewer: CommandLine) -> None:
    assert admin.data("status", "--platform")["supervisor"].keys() == {"is_active", "holder", "expires_at"}
    shown = admin.run("status", "--platform").stdout
    assert "storage free bytes" in shown
    assert "jobs queued" in shown
    assert "missing_permission" in viewer.refused(ExitCode.FORBIDDEN, "status", "--platform")
