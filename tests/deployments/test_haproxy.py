"""HAProxy as Serve starts it: the rules of the platform, and what answers when it has died."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions

from dataml.http.errors import error_body
from deployments import haproxy_launcher as launcher
from deployments.haproxy import HAProxyGuard, own_errors, write_launcher
from deployments.haproxy_launcher import HAProxyRecord, LauncherSettings, read_running, rewrite
from deployments.processes import find_free_ports

_WAIT_S = 20
API, OWN = "http-dataml", "http-predictor-1"
OWN_PATH = "/models/t/p/predict"


def wait_for(is_done: Callable[[], object], describe: Callable[[], str] = str) -> None:
    """Poll until `is_done`; `describe` says more when it takes too long."""
    deadline = time.monotonic() + _WAIT_S
    while not is_done():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.02)


class Replica:
    """An HTTP server that answers with its name, or closes the connection instead while `dies` is set."""

    def __init__(self, name: str) -> None:
        replica = self
        self.dies = False
        self.requests: list[tuple[str, str]] = []
        self._connections: list[socket.socket] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path != "/-/healthz":
                    replica.requests.append((self.command, self.path))
                    if replica.dies:
                        self.close_connection = True
                        return
                body = name.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Forwarded-For", self.headers.get("X-Forwarded-For", ""))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_GET

            def setup(self) -> None:
                super().setup()
                replica._connections.append(self.connection)

            def handle(self) -> None:
                with suppress(ConnectionError):
                    super().handle()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections and close those that are open, as a process that has died does."""
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Proxy:
    """What Serve's manager does: it writes a configuration and starts the launcher."""

    def __init__(self, folder: Path, port: int, private_ports: list[int]) -> None:
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        self._private_ports = private_ports
        self.launcher = folder / "haproxy"
        write_launcher(self.launcher, folder, private_ports)
        self.started: list[subprocess.Popen[bytes]] = []
        self.guard = HAProxyGuard(folder, "127.0.0.1", port)

    def start(self, servers: dict[str, list[int]], *extra: str) -> subprocess.Popen[bytes]:
        """Start a HAProxy with these servers by backend, and wait until it answers on its admin socket."""
        config = self.config(servers)
        with (self.folder / "output").open("ab") as output:
            command = [str(self.launcher), "-db", "-f", config, "-dR", *extra]
            process = subprocess.Popen(command, stdout=output, stderr=output)
        self.started.append(process)
        wait_for(lambda: self._answers(process), self._output)
        return process

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self._output()
        record = read_running(self.folder / launcher.RECORD_FILE)
        return record is not None and record.pid == process.pid and self.is_up()

    def _output(self) -> str:
        return (self.folder / "output").read_text()

    def config(self, servers: dict[str, list[int]]) -> str:
        file = str(self.folder / "haproxy.cfg")
        generate_config(file, self.port, self._private_ports, servers)
        return file

    def is_up(self) -> bool:
        try:
            httpx.get(f"{self.url}/-/healthz")
        except httpx.HTTPError:
            return False
        return True


def generate_config(file: str, port: int, private_ports: list[int], servers: dict[str, list[int]]) -> None:
    """Write a configuration by Serve's own code."""
    folder = os.path.dirname(file)
    options = HAProxyConfig(
        http_options=HTTPOptions(host="127.0.0.1", port=port),
        is_head=True,
        socket_path=f"{folder}/admin.sock",
        server_state_base=folder,
        server_state_file=f"{folder}/server-state",
        metrics_enabled=False,
        stats_port=private_ports[0],
        metrics_port=private_ports[1],
        hard_stop_after_s=5,
    )
    api = HAProxyApi(options, {}, file)
    fallback = ServerConfig(name="SERVE_PROXY", host="127.0.0.1", port=9)
    paths = {API: "/", OWN: "/models/t/p"}
    api.set_backend_configs(
        {
            name: BackendConfig(
                name=name,
                path_prefix=paths[name],
                servers=[ServerConfig(name=f"replica-{port}", host="127.0.0.1", port=port) for port in ports],
                app_name=name,
                fallback_server=fallback,
            )
            for name, ports in servers.items()
        }
    )
    api._generate_config_file_internal()


@contextmanager
def replica(name: str) -> Iterator[Replica]:
    server = Replica(name)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    port, *private_ports = find_free_ports(3, exclude=0)
    # HAProxy takes 97 bytes of a socket's path.
    proxy = Proxy(tmp_path_factory.mktemp("h"), port, private_ports)
    yield proxy
    proxy.guard.stop()
    for process in proxy.started:
        process.kill()
        process.wait()


@pytest.fixture
def api() -> Iterator[Replica]:
    with replica("api") as server:
        yield server


@pytest.fixture
def own() -> Iterator[Replica]:
    with replica("own") as server:
        yield server


ERRORS = {"408": "{}", "502": "{}", "503": '{"id":"%s"}', "504": "{}"}
SETTINGS = LauncherSettings("haproxy", "/folder", [8198, 8197], ERRORS)


def rewritten(tmp_path: Path, servers: dict[str, list[int]]) -> str:
    file = str(tmp_path / "haproxy.cfg")
    generate_config(file, 8199, [8198, 8197], servers)
    return rewrite(Path(file).read_text(), SETTINGS)


class TestRewrite:
    def test_statistics_and_metrics_stay_on_this_machine(self, tmp_path: Path):
        config = rewritten(tmp_path, {API: [1]})
        assert "bind 127.0.0.1:8198" in config
        assert "bind 127.0.0.1:8197" in config
        assert "bind *:" not in config
        assert "bind :" not in config

    def test_no_route_is_listed_and_no_request_logged(self, tmp_path: Path):
        config = rewritten(tmp_path, {API: [1], OWN: [2]})
        assert '"http-predictor-1' not in config
        assert "option httplog" not in config
        assert "log 127.0.0.1" not in config

    def test_serves_own_proxy_never_answers(self, tmp_path: Path):
        assert "SERVE_PROXY" not in rewritten(tmp_path, {API: [1], OWN: [2]})

    def test_the_replicas_of_the_api_stand_behind_an_own_deployment(self, tmp_path: Path):
        own_backend = rewritten(tmp_path, {API: [1, 3], OWN: [2]}).split(f"backend {OWN}\n")[1].split("backend ")[0]
        servers = [line.split() for line in own_backend.splitlines() if line.split()[:1] == ["server"]]
        assert [(words[2], words[-1] == "backup") for words in servers] == [
            ("127.0.0.1:2", False),
            ("127.0.0.1:1", True),
            ("127.0.0.1:3", True),
        ]

    def test_every_error_of_haproxy_is_replaced(self, tmp_path: Path):
        config = rewritten(tmp_path, {API: [1]})
        assert "errorfile" not in config
        assert "status 404" not in config
        assert config.count("Retry-After") == 2  # without a server, and without a route

    def test_the_bodies_are_those_of_the_api(self, tmp_path: Path):
        write_launcher(tmp_path / "haproxy", tmp_path, [1, 2])
        written = json.loads((tmp_path / "haproxy-settings.json").read_text())["errors"]
        assert {status: json.loads(body) for status, body in written.items()} == {
            str(error.status): json.loads(error_body(error, "%s")) for error in own_errors()
        }


def test_an_answer_without_a_route_is_503_and_says_when_to_try_again(proxy: Proxy):
    proxy.start({})
    answer = httpx.get(f"{proxy.url}/api/v1/dataset/list", headers={"X-Request-ID": "my-id"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["code"] == "api_unavailable"
    assert answer.json()["request_id"] == "my-id"


@pytest.mark.parametrize("given", [None, 'a"b', "x" * 65])
def test_a_request_without_a_well_formed_id_gets_one(proxy: Proxy, given: str | None):
    proxy.start({})
    answer = httpx.get(proxy.url, headers={"X-Request-ID": given} if given else {})
    assert len(answer.json()["request_id"]) == 36


def test_a_dead_replica_of_the_api_is_503_at_once(proxy: Proxy, api: Replica):
    proxy.start({API: [api.port]})
    assert httpx.get(f"{proxy.url}/x").text == "api"
    api.close()
    answer = httpx.post(f"{proxy.url}/x", content=b"body", timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (503, "api_unavailable")


def test_the_api_answers_for_a_dead_own_deployment(proxy: Proxy, api: Replica, own: Replica):
    proxy.start({API: [api.port], OWN: [own.port]})
    assert httpx.post(f"{proxy.url}{OWN_PATH}").text == "own"
    own.close()
    assert [httpx.post(f"{proxy.url}{OWN_PATH}", timeout=5).text for _ in range(5)] == ["api"] * 5


@pytest.mark.parametrize(
    ("method", "path", "repeats"),
    [
        ("GET", "/api/v1/dataset/list", True),
        ("POST", "/api/v1/inference/", True),
        ("POST", "/models/x/y/predict", True),
        ("POST", "/v2/models/x/infer", True),
        ("POST", "/api/v1/train/", False),
        ("DELETE", "/api/v1/dataset/1", False),
    ],
)
def test_only_some_requests_are_repeated(proxy: Proxy, api: Replica, method: str, path: str, repeats: bool):
    with replica("other") as other:
        proxy.start({API: [api.port, other.port]})
        api.dies = other.dies = True
        answer = httpx.request(method, proxy.url + path)
    assert answer.status_code == 502
    assert answer.json()["code"] == "api_connection_lost"
    sent = len(api.requests) + len(other.requests)
    assert sent > 1 if repeats else sent == 1


def test_a_replica_sees_the_clients_address(proxy: Proxy, api: Replica):
    proxy.start({API: [api.port]})
    assert httpx.get(f"{proxy.url}/x").headers["x-forwarded-for"] == "127.0.0.1"


def test_a_slow_client_holds_no_replica(proxy: Proxy, api: Replica):
    config = proxy.config({API: [api.port]})
    proxy.start({API: [api.port]})
    assert "timeout http-request 30s" in Path(config).read_text()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as slow:
        slow.sendall(b"POST /api/v1/template HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1")
        assert httpx.get(f"{proxy.url}/x").text == "api"
        assert api.requests == [("GET", "/x")]
        slow.sendall(b"2345")
        assert slow.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert api.requests[-1] == ("POST", "/api/v1/template")


class TestGuard:
    def test_a_spare_answers_when_haproxy_has_died(self, proxy: Proxy, api: Replica):
        first = proxy.start({API: [api.port]})
        proxy.guard.start()
        first.kill()
        first.wait()
        wait_for(proxy.is_up)
        assert httpx.get(f"{proxy.url}/x").text == "api"

    def test_serves_checks_fail_while_a_spare_answers(self, proxy: Proxy, api: Replica):
        first = proxy.start({API: [api.port]})
        first.kill()
        first.wait()
        proxy.guard.check()
        wait_for(proxy.is_up)
        assert read_running(proxy.folder / launcher.RECORD_FILE) is None
        assert read_running(proxy.folder / launcher.SPARE_RECORD_FILE) is not None

    def test_the_next_haproxy_replaces_the_spare_without_a_gap(self, proxy: Proxy, api: Replica):
        first = proxy.start({API: [api.port]})
        first.kill()
        first.wait()
        proxy.guard.check()
        wait_for(proxy.is_up)
        with requests_in_background(f"{proxy.url}/x") as answers:
            # A new manager of Serve knows no routes at first.
            second = proxy.start({})
            wait_for(lambda: read_running(proxy.folder / launcher.SPARE_RECORD_FILE) is None)
            proxy.start({API: [api.port]}, "-sf", str(second.pid), "-x", f"{proxy.folder}/admin.sock")
            assert second.wait(10) == 0
        assert set(answers) == {"api"}

    def test_a_haproxy_whose_manager_has_died_is_replaced(self, proxy: Proxy, api: Replica):
        first = proxy.start({API: [api.port]})
        with requests_in_background(f"{proxy.url}/x") as answers:
            proxy.start({})
            assert first.wait(10) == 0
        assert set(answers) == {"api"}

    def test_no_spare_starts_while_haproxy_reloads_or_another_process_listens(self, proxy: Proxy, api: Replica):
        first = proxy.start({API: [api.port]})
        proxy.guard.check()
        proxy.start({API: [api.port]}, "-sf", str(first.pid), "-x", f"{proxy.folder}/admin.sock")
        proxy.guard.check()
        (proxy.folder / launcher.RECORD_FILE).unlink()
        proxy.guard.check()
        assert not (proxy.folder / launcher.SPARE_RECORD_FILE).exists()

    def test_nothing_starts_before_the_first_haproxy(self, proxy: Proxy):
        proxy.guard.check()
        assert not (proxy.folder / launcher.SPARE_RECORD_FILE).exists()

    def test_a_spare_that_dies_is_replaced(self, proxy: Proxy, api: Replica):
        first = proxy.start({API: [api.port]})
        first.kill()
        first.wait()
        proxy.guard.start()
        wait_for(proxy.is_up)
        record = read_running(proxy.folder / launcher.SPARE_RECORD_FILE)
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
        wait_for(lambda: self._is_replaced(proxy, record))
        assert httpx.get(f"{proxy.url}/x").text == "api"

    @staticmethod
    def _is_replaced(proxy: Proxy, record: HAProxyRecord) -> bool:
        spare = read_running(proxy.folder / launcher.SPARE_RECORD_FILE)
        return spare is not None and spare.pid != record.pid and proxy.is_up()


@contextmanager
def requests_in_background(url: str) -> Iterator[list[str]]:
    """Send one request after the other, each over a connection of its own, and collect what answers."""
    answers: list[str] = []
    ended = threading.Event()

    def send() -> None:
        while not ended.is_set():
            try:
                answers.append(httpx.get(url, timeout=5).text)
            except httpx.HTTPError as error:
                answers.append(repr(error))

    thread = threading.Thread(target=send)
    thread.start()
    wait_for(lambda: bool(answers))
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "socket": "/x"}'])
def test_a_damaged_record_or_another_process_is_no_haproxy(tmp_path: Path, text: str):
    (tmp_path / "record.json").write_text(text)
    assert read_running(tmp_path / "record.json") is None
