"""The command line without the packages of a platform."""

import subprocess
import sys

import pytest

# What `pip install dataml` does not bring.
SERVER = ("ray", "fastapi", "starlette", "pydantic_settings", "sqlalchemy", "pandas", "numpy", "pyarrow")
BLOCKED = f"import sys; sys.modules.update(dict.fromkeys({SERVER!r})); "


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = BLOCKED + f"from dataml import cli; sys.exit(cli.main({arguments!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_needs_no_package_of_the_platform() -> None:
    ended = run("--help")
    assert ended.returncode == 0
    assert "rotate-key" in ended.stdout


@pytest.mark.parametrize("command", ["up", "down", "demo", "migrate", "admin", "doctor", "rotate-key"])
def test_platform_command_names_the_missing_extra(command: str) -> None:
    ended = run(command)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert 'pip install "dataml[server]"' in ended.stderr
