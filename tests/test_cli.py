"""Settings that cannot work end in one line and exit code 2, before Ray or a database is touched."""

from pathlib import Path

import pytest

from dataml import cli

COMMANDS = ("up", "down", "demo", "migrate", "admin")


def refusal(capsys: pytest.CaptureFixture[str], command: str = "up") -> str:
    """The one line that a command which cannot start leaves."""
    assert cli.main([command]) == cli.EXIT_CANNOT_START == 2
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
def test_a_setting_out_of_range_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert name in refusal(capsys, command)


def test_settings_that_contradict_each_other_are_both_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATAML_ENDPOINT_MIN_REPLICAS", "3")
    monkeypatch.setenv("DATAML_ENDPOINT_MAX_REPLICAS", "2")
    line = refusal(capsys)
    assert "DATAML_ENDPOINT_MIN_REPLICAS" in line
    assert "DATAML_ENDPOINT_MAX_REPLICAS" in line


def test_a_refused_password_is_not_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DATAML_ADMIN_PASSWORD", "tooshort")
    assert "tooshort" not in refusal(capsys)


def test_a_home_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    blocked = f"{tmp_path}/file"
    with open(blocked, "w"):
        monkeypatch.setenv("DATAML_HOME", f"{blocked}/home")
    assert blocked in refusal(capsys, "migrate")


def test_down_says_when_there_is_nothing_to_stop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("DATAML_HOME", str(tmp_path))
    assert cli.main(["down"]) == 0
    assert capsys.readouterr().out == f"no platform runs in {tmp_path}\n"
