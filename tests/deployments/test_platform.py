"""The platform of a machine: what refuses a start, its record, and its environment."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from dataml.errors import StartupError
from deployments import platform
from deployments.platform import (
    Platform,
    PlatformRecord,
    check_port,
    fast_data_plane_environment,
    find_running,
    private_folder,
    record_file,
)
from deployments.processes import start_id
from tests.services.program import free_port


def build_nothing():
    raise AssertionError("nothing is built before the checks have passed")


def write_record(home: Path, **changes: object) -> None:
    record_file(home).parent.mkdir(parents=True, exist_ok=True)
    mine = PlatformRecord(os.getpid(), start_id(os.getpid()), "127.0.0.1", 8000, str(private_folder(home)))
    record_file(home).write_text(json.dumps(asdict(mine) | changes))


class TestStart:
    def test_a_port_in_use_is_refused(self, tmp_path: Path):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(StartupError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: .*in use"):
                Platform(tmp_path, port).start(build_nothing)

    def test_a_port_shared_with_reuseport_is_in_use(self):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("127.0.0.1", 0))
            other.listen()
            with pytest.raises(StartupError):
                check_port("127.0.0.1", other.getsockname()[1])

    def test_a_port_of_grpc_in_use_is_refused(self, tmp_path: Path):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(StartupError, match=f"cannot listen on 127.0.0.1:{port}"):
                Platform(tmp_path, free_port(), grpc_port=port).start(build_nothing)

    @pytest.mark.parametrize("home", ["file", "file/below"])
    def test_a_home_that_cannot_be_written_is_refused_in_one_line(self, tmp_path: Path, home: str):
        (tmp_path / "file").write_text("")
        with (
            pytest.raises(StartupError, match=r"^cannot write to DATAML_HOME .*file.*: .+$"),
            platform.hold_home(tmp_path / home, "127.0.0.1", 8000),
        ):
            pass

    def test_a_home_runs_one_platform_at_a_time(self, tmp_path: Path):
        with platform.hold_home(tmp_path, "127.0.0.1", 8123):
            record = find_running(tmp_path)
            assert record is not None
            assert (record.pid, record.port) == (os.getpid(), 8123)
            with (
                pytest.raises(StartupError, match=f"already runs in .*:8123, process {os.getpid()}$"),
                platform.hold_home(tmp_path, "127.0.0.1", 8124),
            ):
                pass
        assert not record_file(tmp_path).exists()
        platform.lock_home(tmp_path).close()

    def test_stop_without_start_is_harmless(self, tmp_path: Path):
        Platform(tmp_path, 8000).stop()
        assert not platform.stop(tmp_path)


class TestRecord:
    def test_the_process_of_the_record_runs_the_platform(self, tmp_path: Path):
        write_record(tmp_path)
        record = find_running(tmp_path)
        assert record is not None
        assert record.pid == os.getpid()

    def test_a_reused_pid_is_not_the_platform(self, tmp_path: Path):
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        try:
            write_record(tmp_path, pid=other.pid)
            assert find_running(tmp_path) is None
            platform.stop(tmp_path)
            assert other.poll() is None
            assert not record_file(tmp_path).exists()
        finally:
            other.kill()
            other.wait()

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"unknown": true}'])
    def test_a_damaged_record_is_ignored(self, tmp_path: Path, text: str):
        write_record(tmp_path)
        record_file(tmp_path).write_text(text)
        assert find_running(tmp_path) is None


class TestEnvironment:
    def test_socket_paths_fit_haproxy_for_any_home(self, tmp_path: Path):
        environment = fast_data_plane_environment(tmp_path / ("long" * 50), 8000)
        node_id = "0" * 56
        for name in ("SOCKET", "METRICS_SOCKET"):
            path = Path(environment[f"RAY_SERVE_HAPROXY_{name}_PATH"])
            assert len(str(path.parent / node_id / path.name)) <= 97

    def test_two_homes_share_no_path(self, tmp_path: Path):
        one, two = (fast_data_plane_environment(tmp_path / name, 8000) for name in ("one", "two"))
        places = {name for name in one if name.endswith(("_PATH", "_LOC", "_BASE", "_FILE"))}
        assert len(places) >= 6
        assert all(one[name] != two[name] for name in places)

    def test_the_ports_are_free_and_not_the_platforms_own(self, tmp_path: Path):
        environment = fast_data_plane_environment(tmp_path, 8000)
        ports = [environment[f"RAY_SERVE_{name}_PORT"] for name in ("HAPROXY_STATS", "HAPROXY_METRICS")]
        ports.append(environment["RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"])
        assert len({*ports, "8000"}) == 4
        for port in ports:
            check_port("127.0.0.1", int(port))

    def test_the_environment_overrides_tuning_but_not_security(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("RAY_SERVE_HAPROXY_NBTHREAD", "4")
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        environment = fast_data_plane_environment(tmp_path, 8000)
        assert environment["RAY_SERVE_HAPROXY_NBTHREAD"] == "4"
        assert environment["RAY_AUTH_MODE"] == "token"
