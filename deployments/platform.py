"""A whole platform on one machine: a private Ray head, Serve behind HAProxy, and one application.

Ray and HAProxy write all their files to one private folder, and no other process writes there. So the processes of a
platform can be found even after the process that started it was killed.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self, TextIO

from dataml.errors import StartupError
from deployments import lean_imports
from deployments.haproxy import HAProxyGuard, write_launcher
from deployments.processes import find_free_ports, find_processes, is_alive, is_ray_core, start_id, stop_processes

if TYPE_CHECKING:
    import psutil
    from ray.serve import Application

OBJECT_STORE_BYTES = 512 * 1024**2
REQUEST_TIMEOUT_S = 900  # an upload of the largest size over a slow line
RAY_STOP_TIMEOUT_S = 8.0
# For Serve's own processes: Serve passes it on to no application.
_SERVE_LOGGING_CONFIG = {"encoding": "JSON", "enable_access_log": False}
# An access log costs throughput. Without one, Serve still makes a record for each request at the level INFO.
LOGGING_CONFIG = _SERVE_LOGGING_CONFIG | {"log_level": "WARNING"}


@dataclass(frozen=True)
class PlatformRecord:
    """The process that runs the platform of a home, as written to `home/run/platform.json`."""

    pid: int
    started: str
    host: str
    port: int
    folder: str


def private_folder(home: Path) -> Path:
    """Return the private folder of a platform; a short path, for HAProxy takes 97 bytes and Serve adds 70 of them."""
    return Path("/tmp") / f"dataml-{_digest(home):08x}"


def fast_data_plane_environment(home: Path, port: int) -> dict[str, str]:
    """Return the environment that Ray needs before it is imported: the fast data plane, with paths of this platform.

    A value that is already in the environment wins over the tuning, never over paths and ports.
    """
    folder = private_folder(home)
    replica_port = 20_000 + 500 * (_digest(home) % 24)
    stats_port, metrics_port, fallback_port = find_free_ports(3, exclude=port)
    tuning = {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # one log line a request, parsed in Python: a fifth of its cost
        "RAY_SERVE_HAPROXY_OBSERVE_ERROR_LIMIT": "1",  # here only a replica that has died refuses one
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "30",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "2",
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2",
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",  # with the default, 5 s, a busy machine never starts
        "RAY_SERVE_DEPLOYMENT_ACTOR_HEALTH_CHECK_PERIOD_S": "2",
        # Ray's default is 15: replicas would have the lowest priority on the machine. Workers lower their own.
        "RAY_worker_niceness": "0",
        "RAY_preload_python_modules": "deployments.preload",
        # Each log file; Ray keeps six of 512 MB by default, and writes about 400 MB a day.
        "RAY_ROTATION_MAX_BYTES": str(32 * 1024**2),
        "RAY_ROTATION_BACKUP_COUNT": "2",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray would keep the events of 100,000 calls, which nobody reads, in the memory of its GCS.
        "RAY_task_events_report_interval_ms": "0",
        # Ray's own metrics are for everybody who reaches their ports, on all interfaces and without a token. Where Ray
        # has no switch, a port that cannot be opened: Ray logs that, and goes on.
        "RAY_enable_metrics_collection": "0",
        "AUTOSCALER_METRIC_PORT": "-1",
        "DASHBOARD_METRIC_PORT": "-1",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        # glibc gives each thread an arena, and Ray's processes have dozens of threads that allocate little.
        "MALLOC_ARENA_MAX": "2",
    }
    paths_and_ports = {
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
        "SERVE_SOCKET_REUSE_PORT_ENABLED": "0",  # two proxies on one port would share its requests silently
    }
    return {name: os.environ.get(name, value) for name, value in tuning.items()} | paths_and_ports


class Platform:
    """One platform, from `start` to `stop` or to the end of a `with` block; the caller holds the home.

    The process and the thread that start it must stay alive: Ray's processes end with them.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        *,
        host: str = "127.0.0.1",
        grpc_port: int | None = None,
        dashboard: bool = False,
    ) -> None:
        self.home = home.expanduser().absolute()
        self.port = port
        self.grpc_port = grpc_port
        self.host = host
        self.dashboard = dashboard
        self.folder = private_folder(self.home)
        self._is_started = False
        self._guard: HAProxyGuard | None = None
        self._ray_core: list[psutil.Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, build: "Callable[[], Application]") -> None:
        """Start Ray and Serve, deploy what `build` returns, and wait until the port answers.

        Raises:
            StartupError: the port is taken, or the application fails.
        """
        self._is_started = True
        stop_processes(self.folder)
        _archive_logs(self.folder, self.home)
        check_port(self.host, self.port)
        if self.grpc_port is not None:
            check_port(self.host, self.grpc_port)
        os.environ.update(fast_data_plane_environment(self.home, self.port))
        _prepare_folders(self.home, self.folder)

        lean_imports.install()
        # Ray reads its environment when it is imported, so it is imported only here.
        from ray import serve
        from ray.exceptions import RayError

        application = build()
        self._start_ray()
        self._guard = HAProxyGuard(self.folder, self.host, self.port)
        self._guard.start()
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        try:
            serve.start(
                proxy_location="HeadOnly",
                http_options={"host": self.host, "port": self.port, "request_timeout_s": REQUEST_TIMEOUT_S},
                logging_config=_SERVE_LOGGING_CONFIG,
            )
            serve.run(application, name="dataml", route_prefix="/", blocking=False, logging_config=LOGGING_CONFIG)
        except (RuntimeError, RayError) as error:
            raise _failed("Serve did not start", error, self.home) from error

    def _start_ray(self) -> None:
        import ray

        try:
            with _without_helpers():
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
        except Exception as error:  # Ray raises no narrower one when a process of it does not start in time
            raise _failed("Ray did not start", error, self.home) from error
        # Ray has installed its own handlers, which end this process at once and leave the others running.
        _on_stop_signals(signal.default_int_handler)
        self._ray_core = [process for process in find_processes(self.folder) if is_ray_core(process)]

    def wait(self) -> None:
        """Block for as long as Ray runs.

        Raises:
            StartupError: Ray has ended by itself.
        """
        while all(is_alive(process) for process in self._ray_core):
            time.sleep(0.5)
        self._ray_core = []  # Ray cannot be shut down any more, and soon ends this process too
        raise StartupError(f"Ray has ended by itself; its logs are in {log_folder(self.home)}")

    def stop(self) -> None:
        """Stop the application, Serve, Ray and every process left, in at most 15 s; harmless when nothing runs."""
        if not self._is_started:
            return
        if self._guard is not None:
            self._guard.stop()
        if self._ray_core:
            stopping = threading.Thread(target=_stop_ray, daemon=True)
            stopping.start()
            stopping.join(RAY_STOP_TIMEOUT_S)
        stop_processes(self.folder)
        _archive_logs(self.folder, self.home)
        self._ray_core = []
        self._is_started = False


def run(
    home: Path,
    port: int,
    build: "Callable[[], Application]",
    *,
    host: str = "127.0.0.1",
    grpc_port: int | None = None,
    dashboard: bool = False,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Run a platform until Ctrl-C, SIGTERM or SIGHUP; `on_ready` is called once the port answers.

    Raises:
        StartupError: the platform cannot start, or Ray has ended by itself.
    """
    platform = Platform(home, port, host=host, grpc_port=grpc_port, dashboard=dashboard)
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


def find_running(home: Path) -> PlatformRecord | None:
    """Return the record of the platform that runs in a home; None when none does, or another process has its id."""
    try:
        record = PlatformRecord(**json.loads(record_file(home).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.started and record.started == start_id(record.pid) else None


def stop(home: Path, timeout_s: float = 20.0) -> bool:
    """Stop the platform of a home, and processes that a killed one left; return whether there was anything to stop."""
    home = home.expanduser().absolute()
    deadline = time.monotonic() + timeout_s
    record = find_running(home)
    if record is not None:
        os.kill(record.pid, signal.SIGTERM)
    while find_running(home) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    stopped = stop_processes(private_folder(home))
    _archive_logs(private_folder(home), home)
    record_file(home).unlink(missing_ok=True)
    return record is not None or stopped > 0


def _failed(what: str, error: Exception, home: Path) -> StartupError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return StartupError(f"{what}: {reason} The logs are in {log_folder(home)}")


def log_folder(home: Path) -> Path:
    """Return the folder in which the logs of the last run are kept once it has ended."""
    return home / "logs" / "ray"


def _archive_logs(folder: Path, home: Path) -> None:
    """Move the logs of a run that has ended to the home, and remove its other files."""
    logs = folder / "ray" / "session_latest" / "logs"
    with suppress(OSError):  # the home is gone or full: then the logs cannot be kept
        if logs.is_dir():
            shutil.rmtree(log_folder(home), ignore_errors=True)
            log_folder(home).parent.mkdir(exist_ok=True)
            shutil.move(logs.resolve(), log_folder(home))
    shutil.rmtree(folder, ignore_errors=True)


def record_file(home: Path) -> Path:
    """Return the file of a home's `PlatformRecord`."""
    return home / "run" / "platform.json"


@contextmanager
def _without_helpers() -> Iterator[None]:
    """Let Ray start without two processes of 50 MB each that this platform has no use for.

    The log monitor copies the logs of all processes to that which has called `ray.init`, and `log_to_driver` is off.
    The monitor starts and ends nodes of a cluster, and this is one node. `ray.init` has no options for them.
    """
    from ray._private import parameter

    class LeanParams(parameter.RayParams):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.include_log_monitor, self.no_monitor = False, True

    usual = parameter.RayParams
    parameter.RayParams = LeanParams
    try:
        yield
    finally:
        parameter.RayParams = usual


def check_port(host: str, port: int) -> None:
    """Check that no process listens on the port.

    Raises:
        StartupError: one does, or the address is not valid.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise StartupError(f"cannot listen on {host}:{port}: {error.strerror}; choose another port") from error


@contextmanager
def hold_home(home: Path, host: str, port: int) -> Iterator[None]:
    """Lock the home for the platform that this process runs, and record that it does.

    Raises:
        StartupError: the home cannot be written, or a platform runs in it.
    """
    with lock_home(home):
        record = PlatformRecord(os.getpid(), start_id(os.getpid()), host, port, str(private_folder(home)))
        record_file(home).write_text(json.dumps(asdict(record), indent=2) + "\n")
        try:
            yield
        finally:
            record_file(home).unlink(missing_ok=True)


def lock_home(home: Path) -> TextIO:
    """Lock the home for this process; the lock ends with the process, however it ends.

    Raises:
        StartupError: the home cannot be written, or a platform runs in it.
    """
    try:
        (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (home / "run" / "platform.lock").open("w")
    except OSError as error:
        raise StartupError(f"cannot write to DATAML_HOME {home}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        record = find_running(home)
        where = f" at {record.host}:{record.port}, process {record.pid}" if record else ""
        raise StartupError(f"a platform already runs in {home}{where}") from error
    return lock


def _prepare_folders(home: Path, folder: Path) -> None:
    """Write Ray's token and HAProxy's launcher, and replace the private folder of the last run by an empty one."""
    token = home / "run" / "ray.token"
    if not (token.exists() and token.stat().st_size):
        token.touch(mode=0o600)
        token.write_text(token_hex(32))
    if folder.is_symlink() or (folder.exists() and folder.stat().st_uid != os.getuid()):
        raise StartupError(f"{folder} belongs to somebody else")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    private_ports = [int(os.environ[f"RAY_SERVE_HAPROXY_{page}_PORT"]) for page in ("STATS", "METRICS")]
    write_launcher(home / "run" / "haproxy", folder, private_ports)


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
