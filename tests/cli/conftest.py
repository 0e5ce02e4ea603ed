"""The command line against the application of the tests, which a small HTTP server of this process serves."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner

from dataml.cli.app import app
from dataml.cli.exit_codes import ExitCode
from tests.client import PASSWORD
from tests.conftest import Platform

VARIABLES = ("DATAML_URL", "DATAML_API_KEY", "DATAML_PROFILE", "DATAML_PASSWORD", "DATAML_NEW_PASSWORD")


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class CommandLine:
    """Runs commands with a folder of profiles, and variables of the environment, of its own."""

    environment: dict[str, str | None]

    def run(self, *words: str | int | Path, stdin: str = "", **variables: str) -> Ended:
        """Run a command, however it ends."""
        environment = self.environment | variables
        result = CliRunner().invoke(app, list(map(str, words)), input=stdin, env=environment, prog_name="dataml")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    def data(self, *words: str | int | Path, stdin: str = "", **variables: str) -> Any:
        """Run a command that must succeed, and return the JSON that it prints."""
        ended = self.run(*words, "--output", "json", stdin=stdin, **variables)
        assert ended.exit_code == ExitCode.OK, ended
        return ended.json

    def refused(self, code: ExitCode, *words: str | int | Path, **variables: str) -> str:
        """Run a command that must fail with this exit code and print no data, and return its message."""
        ended = self.run(*words, **variables)
        assert (ended.exit_code, ended.stdout) == (code, ""), ended
        return ended.stderr


@pytest.fixture(scope="module")
def url(platform: Platform) -> Iterator[str]:
    """The address of the application."""
    with serve(platform) as address:
        yield address


class serve:  # a context manager
    """Serves the application on a free port, in the event loop of its clients."""

    def __init__(self, platform: Platform) -> None:
        config = uvicorn.Config(platform.client.app, port=0, lifespan="off", log_config=None)  # type: ignore[arg-type]
        self._server = uvicorn.Server(config)
        self._portal = platform.client.portal

    def __enter__(self) -> str:
        self._served = self._portal.start_task_soon(self._server.serve)
        while not self._server.started:
            if self._served.done():
                self._served.result()
        host, port = self._server.servers[0].sockets[0].getsockname()
        return f"http://{host}:{port}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._served.result(30)


LogIn = Callable[..., CommandLine]


@pytest.fixture(scope="module")
def log_in(url: str, tmp_path_factory: pytest.TempPathFactory) -> LogIn:
    """Signs a user in, and returns a command line with the profile."""

    def make(username: str, password: str = PASSWORD) -> CommandLine:
        command_line = new_command_line(url, tmp_path_factory.mktemp("config"))
        ended = command_line.run("login", "-u", username, DATAML_PASSWORD=password)
        assert ended.exit_code == ExitCode.OK, ended
        return command_line

    return make


def new_command_line(url: str, config: Path) -> CommandLine:
    return CommandLine(dict.fromkeys(VARIABLES) | {"DATAML_URL": url, "XDG_CONFIG_HOME": str(config)})


@pytest.fixture(scope="module")
def admin(log_in: LogIn) -> CommandLine:
    """The command line of the administrator of the tenant `default`."""
    return log_in("admin")


@pytest.fixture(scope="module")
def viewer(log_in: LogIn) -> CommandLine:
    """The command line of a user who may look and predict, and no more."""
    return log_in("analyst")


@pytest.fixture(scope="module")
def other_tenant(log_in: LogIn) -> CommandLine:
    """The command line of the administrator of another tenant."""
    return log_in("stranger")


@pytest.fixture
def nobody(url: str, tmp_path: Path) -> CommandLine:
    """The command line of somebody who has not signed in."""
    return new_command_line(url, tmp_path)


def csv_rows(text: str) -> list[list[str]]:
    """Return the rows of a CSV text."""
    import csv

    return list(csv.reader(text.splitlines()))


def write_csv(path: Path, lines: Sequence[str]) -> Path:
    """Write lines to a file, and return it."""
    path.write_text("\n".join(lines) + "\n")
    return path
