"""Serve is asked once for what many pages show at about the same time."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from ray.serve._private.common import RequestProtocol
from ray.serve.exceptions import RayServeException
from ray.serve.schema import Target, TargetGroup

from deployments import applications
from deployments.applications import Applications, RecentApplications, Running


class Serve:
    """Counts the questions; it answers when it may, with an error where it has one."""

    def __init__(self) -> None:
        self.questions = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.error: Exception | None = None

    def list_applications(self) -> Applications:
        self.questions += 1
        assert self.may_answer.wait(10)
        if self.error is not None:
            raise self.error
        return {}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Serve:
    serve = Serve()
    monkeypatch.setattr(applications, "list_applications", serve.list_applications)
    monkeypatch.setattr(applications, "list_replica_addresses", dict)
    return serve


def test_calls_that_wait_share_one_question(asked: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applications, "MAX_AGE_S", -1.0)

    async def body() -> None:
        recent = RecentApplications()
        asked.may_answer.clear()
        waiting = [asyncio.create_task(recent.read()) for _ in range(3)]
        await asyncio.sleep(0)
        gone, *rest = waiting
        gone.cancel()
        await asyncio.sleep(0)
        asked.may_answer.set()
        assert await asyncio.gather(*rest) == [Running({}, {})] * 2

    asyncio.run(body())
    assert asked.questions == 1


@pytest.mark.parametrize(("max_age_s", "questions"), [(3600.0, 1), (-1.0, 2)])
def test_an_answer_is_given_again_while_it_is_recent(
    asked: Serve, monkeypatch: pytest.MonkeyPatch, max_age_s: float, questions: int
) -> None:
    monkeypatch.setattr(applications, "MAX_AGE_S", max_age_s)

    async def body() -> None:
        recent = RecentApplications()
        assert await recent.read() == await recent.read() == Running({}, {})

    asyncio.run(body())
    assert asked.questions == questions


def test_an_error_is_not_given_again(asked: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applications, "MAX_AGE_S", 3600.0)

    async def body() -> None:
        recent = RecentApplications()
        asked.error = RayServeException("away")
        with pytest.raises(RayServeException):
            await recent.read()
        asked.error = None
        assert await recent.read() == Running({}, {})

    asyncio.run(body())
    assert asked.questions == 2


class Controller:
    """Names what runs, as Serve's controller does."""

    def __init__(self, groups: list[TargetGroup]) -> None:
        self.get_target_groups = SimpleNamespace(remote=lambda from_proxy_manager: groups)


@pytest.mark.parametrize(
    ("host", "ip", "address"),
    [
        ("127.0.0.1", "10.0.0.7", "127.0.0.1:30001"),
        ("localhost", "10.0.0.7", "localhost:30001"),
        ("::1", "10.0.0.7", "[::1]:30001"),
        ("0.0.0.0", "10.0.0.7", "10.0.0.7:30001"),
        ("models.example", "10.0.0.7", "10.0.0.7:30001"),
        (None, "fd00::7", "[fd00::7]:30001"),
    ],
)
def test_replicas_are_where_they_listen(
    monkeypatch: pytest.MonkeyPatch, host: str | None, ip: str, address: str
) -> None:
    def group(name: str, replica: str, protocol: RequestProtocol = RequestProtocol.HTTP) -> TargetGroup:
        target = Target(ip=ip, port=30001, instance_id="i", name=replica)
        return TargetGroup(targets=[target], route_prefix="/", protocol=protocol, app_name=name)

    groups = [
        group("predictor-1", "SERVE_REPLICA::predictor-1#Predictor#a"),
        group("predictor-2", "SERVE_PROXY_ACTOR-b"),
        group("dataml", "SERVE_REPLICA::dataml#Api#c"),
        group("predictor-1", "SERVE_REPLICA::predictor-1#Predictor#a", RequestProtocol.GRPC),
    ]
    client = SimpleNamespace(_controller=Controller(groups), http_config=SimpleNamespace(host=host))
    monkeypatch.setattr(applications, "_get_global_client", lambda: client)
    monkeypatch.setattr("ray.get", lambda answer: answer)
    assert applications.list_replica_addresses() == {"predictor-1": (address,), "predictor-2": ()}
