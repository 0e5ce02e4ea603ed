"""What the deployer does with the deployment of a model that was deleted; Serve is played."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from ray import serve
from ray.serve.schema import ApplicationStatus

from dataml.serving.model_runner import ServableModel
from dataml.train import service as trainings
from deployments import deployer
from deployments.deployer import Deployer, Started


class Served:
    """Applications as Serve shows them; a deleted one is gone at the next look but one."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.deleting: set[str] = set()
        self.done: list[tuple[str, int | None]] = []

    def applications(self) -> dict[str, Any]:
        found = {name: self._shown(ApplicationStatus.RUNNING, replicas=1) for name in self.running}
        found |= {name: self._shown(ApplicationStatus.DELETING, replicas=0) for name in self.deleting}
        self.deleting.clear()
        return found

    def deploy(self, name: str, model: ServableModel, settings: Any, *, routed: bool) -> None:
        self.running[name] = model.train_id
        self.done.append(("routed" if routed else "started", model.train_id))

    def delete(self, name: str, _blocking: bool) -> None:
        self.done.append(("deleted", self.running.pop(name)))
        self.deleting.add(name)

    def _shown(self, status: ApplicationStatus, replicas: int) -> Any:
        states = SimpleNamespace(replica_states={"RUNNING": replicas})
        return SimpleNamespace(status=status, message="", deployments={"Predictor": states})


class NoDatabase:
    def reading(self) -> "NoDatabase":
        return self

    transaction = reading

    async def __aenter__(self) -> "NoDatabase":
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def execute(self, statement: object) -> None:
        return


def training(train_id: int) -> Any:
    fields = {"id": train_id, "tenant_id": "t", "predictor_name": "p", "preprocess_id": 1, "target": "y"}
    return SimpleNamespace(**fields, bundle="b", accuracy=None, endpoint="pool", problem_type="Classification")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    served = Served()
    monkeypatch.setattr(deployer, "_applications", served.applications)
    monkeypatch.setattr(deployer, "_deploy", served.deploy)
    monkeypatch.setattr(serve, "delete", served.delete)
    return served


def rounds(monkeypatch: pytest.MonkeyPatch, there: list[int]) -> Callable[[Deployer, int], None]:
    """Lets a deployer take steps while these trainings are there, the newest last."""

    def answering(value: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def answer(session: Any, *_: Any) -> Any:
            return value

        return answer

    async def existing(session: Any, train_ids: set[int]) -> set[int]:
        return train_ids & set(there)

    monkeypatch.setattr(trainings, "promoted", answering([(training(number), "tenant") for number in there[-1:]]))
    monkeypatch.setattr(trainings, "with_own_endpoint", answering(set()))
    monkeypatch.setattr(trainings, "existing", existing)

    async def steps(deployer: Deployer, count: int) -> None:
        for _ in range(count):
            await deployer.reconcile()

    return lambda deployer, count: asyncio.run(steps(deployer, count))


@pytest.mark.parametrize(
    ("left", "done"),
    [
        ([1], [("deleted", 2), ("started", 1), ("routed", 1)]),
        ([], [("deleted", 2)]),
        ([1, 2], []),
        ([1, 2, 3], [("started", 3), ("routed", 3)]),
    ],
    ids=["a version before", "none", "not deleted", "a newer one"],
)
def test_the_deployment_of_a_deleted_model_goes_before_another_comes(
    monkeypatch: pytest.MonkeyPatch, served: Served, left: list[int], done: list[tuple[str, int]]
) -> None:
    name = deployer.application_name("t", "p")
    served.running[name] = 2
    settings: Any = SimpleNamespace(own_endpoints=4)
    subject = Deployer(NoDatabase(), settings)  # type: ignore[arg-type]
    subject._started = {name: Started(2, routed=True)}
    rounds(monkeypatch, left)(subject, 6)
    assert served.done == done
