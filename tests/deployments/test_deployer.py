"""The deployer, and the deployment of a deleted model; Serve is faked."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from ray import serve
from ray.serve.schema import ApplicationStatus

from dataml.endpoint import service as endpoints
from dataml.endpoint.scaling import Scaling
from dataml.endpoint.service import WantedDeployment
from dataml.train import service as trainings
from deployments import deployer
from deployments.deployer import DeployedVersion, Deployer, WantedApplication

USUAL = Scaling(1, 2, 0.8, 5, 600)


class FakeServe:
    """Serve's applications; a deleted one is listed once more."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.routed: dict[str, int | None] = {}
        self.scaling: dict[str, Scaling] = {}
        self.deleting: set[str] = set()
        self.done: list[tuple[str, int | None]] = []

    def applications(self) -> dict[str, Any]:
        applications = {name: self._overview(ApplicationStatus.RUNNING, replicas=1) for name in self.running}
        applications |= {name: self._overview(ApplicationStatus.DELETING, replicas=0) for name in self.deleting}
        self.deleting.clear()
        return applications

    def deploy(self, name: str, wanted: WantedApplication, settings: Any, *, is_routed: bool) -> None:
        train_id = wanted.model.train_id
        is_resized = is_routed and self.routed.get(name) == train_id
        self.running[name] = train_id
        self.routed[name] = train_id if is_routed else None
        self.scaling[name] = wanted.scaling
        self.done.append(("resized" if is_resized else "routed" if is_routed else "started", train_id))

    def delete(self, name: str, _blocking: bool) -> None:
        self.done.append(("deleted", self.running.pop(name)))
        self.deleting.add(name)

    def _overview(self, status: ApplicationStatus, replicas: int) -> Any:
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
    fields = {
        "id": train_id,
        "tenant_id": "t",
        "predictor_name": "p",
        "url_name": "p",
        "preprocess_id": 1,
        "target": "y",
    }
    return SimpleNamespace(
        **fields, bundle="b", accuracy=None, endpoint="pool", problem_type="Classification", threshold=None, version=1
    )


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> FakeServe:
    served = FakeServe()
    monkeypatch.setattr(deployer, "list_applications", served.applications)
    monkeypatch.setattr(deployer, "_deploy", served.deploy)
    monkeypatch.setattr(serve, "delete", served.delete)
    return served


def reconciler(
    monkeypatch: pytest.MonkeyPatch, ids: list[int], scaling: Scaling = USUAL
) -> Callable[[Deployer, int], None]:
    """Return a function that reconciles while these trainings exist, the newest last."""

    def returning(value: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def call(session: Any, *_: Any) -> Any:
            return value

        return call

    async def existing(session: Any, train_ids: set[int]) -> set[int]:
        return train_ids & set(ids)

    wanted = [WantedDeployment(training(number), "tenant", scaling, None) for number in ids[-1:]]
    monkeypatch.setattr(endpoints, "list_wanted", returning(wanted))
    monkeypatch.setattr(trainings, "list_with_own_endpoint", returning(set()))
    monkeypatch.setattr(trainings, "filter_existing", existing)

    async def reconcile(deployer: Deployer, count: int) -> None:
        for _ in range(count):
            await deployer.reconcile()

    return lambda deployer, count: asyncio.run(reconcile(deployer, count))


@pytest.mark.parametrize(
    ("left", "done"),
    [
        ([1], [("deleted", 2), ("started", 1), ("routed", 1)]),
        ([], [("deleted", 2)]),
        ([1, 2], []),
        ([1, 2, 3], [("started", 3), ("routed", 3)]),
    ],
    ids=["previous version", "none", "not deleted", "newer version"],
)
def test_the_deployment_of_a_deleted_model_is_removed_before_another_starts(
    monkeypatch: pytest.MonkeyPatch, served: FakeServe, left: list[int], done: list[tuple[str, int]]
) -> None:
    name = deployer.application_name("t", "p")
    served.running[name] = 2
    settings: Any = SimpleNamespace(own_endpoints=4)
    subject = Deployer(NoDatabase(), settings)  # type: ignore[arg-type]
    subject._deployed = {name: DeployedVersion(2, is_routed=True, scaling=USUAL)}
    reconciler(monkeypatch, left)(subject, 6)
    assert served.done == done


def test_a_deployment_gets_the_replicas_that_were_asked_for(monkeypatch: pytest.MonkeyPatch, served: FakeServe) -> None:
    name = deployer.application_name("t", "p")
    subject = Deployer(NoDatabase(), SimpleNamespace())  # type: ignore[arg-type]
    subject._deployed = {}
    reconciler(monkeypatch, [1], replace(USUAL, max_replicas=1))(subject, 4)
    assert served.done == [("started", 1), ("routed", 1)]
    assert served.scaling[name] == replace(USUAL, max_replicas=1)
    # It keeps its route, and the version of the application says to Serve that no replica has to be replaced.
    reconciler(monkeypatch, [1], replace(USUAL, min_replicas=2, downscale_delay_s=30))(subject, 4)
    assert served.done[2:] == [("resized", 1)]
    assert served.scaling[name] == replace(USUAL, min_replicas=2, downscale_delay_s=30)


def test_a_deployment_of_the_previous_supervisor_gets_the_replicas_of_today(
    monkeypatch: pytest.MonkeyPatch, served: FakeServe
) -> None:
    name = deployer.application_name("t", "p")
    served.running[name] = served.routed[name] = 2
    subject = Deployer(NoDatabase(), SimpleNamespace())  # type: ignore[arg-type]
    subject._deployed = {name: DeployedVersion(2, is_routed=True)}
    reconciler(monkeypatch, [1, 2], replace(USUAL, max_replicas=4))(subject, 4)
    assert served.done == [("resized", 2)]
    assert served.scaling[name] == replace(USUAL, max_replicas=4)


def test_a_predictor_that_needs_no_deployment_any_more_loses_it(
    monkeypatch: pytest.MonkeyPatch, served: FakeServe
) -> None:
    subject = Deployer(NoDatabase(), SimpleNamespace())  # type: ignore[arg-type]
    subject._deployed = {}
    reconciler(monkeypatch, [1])(subject, 4)
    reconciler(monkeypatch, [])(subject, 4)
    assert served.done == [("started", 1), ("routed", 1), ("deleted", 1)]
