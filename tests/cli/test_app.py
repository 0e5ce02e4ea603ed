"""The command line as a whole: its help, its errors and its page."""

import os
import subprocess
import sys

import pytest

from dataml import __version__, cli
from dataml.cli.exit_codes import ExitCode
from docs.generator import commands

LEAVES = commands.leaves()


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"dataml {__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["up", "--nonsense"], ["migrate", "--to"], []])
def test_wrong_usage_is_exit_code_2_and_prints_no_data(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert cli.main(arguments) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.err or not arguments


@pytest.mark.parametrize(("name", "command"), LEAVES, ids=[name for name, _ in LEAVES])
def test_every_command_has_a_help_text_for_itself_and_each_option(
    capsys: pytest.CaptureFixture[str], name: str, command: object
) -> None:
    assert cli.main([*name.split()[1:], "--help"]) == 0
    assert capsys.readouterr().out
    assert command.help.strip().split("\n")[0].endswith("."), "a sentence"  # type: ignore[attr-defined]
    assert [each.name for each in command.params if not (each.help or "").endswith(".")] == []  # type: ignore[attr-defined]


def test_every_command_is_on_its_page() -> None:
    page = commands.page()
    assert [name for name, _ in LEAVES if f"### `{name}`" not in page] == []


def test_every_exit_code_is_on_the_page() -> None:
    table = commands.exit_codes()
    assert [code for code in ExitCode if f"| {code.value} | {code.meaning} |" not in table] == []


def test_common_options_are_on_the_page_once() -> None:
    assert "--api-key KEY" in commands.common_options()
    assert "--api-key KEY" not in commands.page()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_the_commands(shell: str) -> None:
    words = {"_TYPER_COMPLETE_ARGS": "dataml da", "COMP_WORDS": "dataml da", "COMP_CWORD": "1"}
    words |= {"_DATAML_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    code = "import sys; from dataml import cli; sys.exit(cli.main([]))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **words}
    )
    assert "datasets" in done.stdout
    assert "models" not in done.stdout
