"""One platform for all modules of this folder, with a record of its answers, and models that they share."""

import importlib
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.client import Client, wait_for_job
from tests.conftest import NewHome, Platform, log_in, run_platform
from tests.dataset.datasets import create_dataset, upload
from tests.inference.series import columns_of, forecast_request, shop_rows
from tests.reference.record import RECORD, RecordingApp
from tests.sample_tenant import create_user, training_request

DAYS = 60
"""Number of days that the forecast model has been trained on."""
SHOP_ROLES = {"shop": "Id", "day": "Time", "sold": "Target", "rain": "Ignore"}


def customers_csv(rows: int = 200) -> bytes:
    """Return a CSV in which `age` and `plan` determine `left`, but for one in five who leave for no reason."""
    chance = random.Random(7)
    lines = ["id,age,plan,left"]
    for number in range(1, rows + 1):
        age, plan = chance.randint(18, 80), chance.choice(["basic", "premium"])
        left = (age > 50) == (plan == "basic") or chance.random() < 0.25
        lines.append(f"{number},{age},{plan},{'true' if left else 'false'}")
    return "\n".join(lines).encode()


@pytest.fixture(scope="package")
def platform(new_home: NewHome, migrated_database: Path) -> Iterator[Platform]:
    with run_platform(new_home(), migrated_database) as running:
        app = RecordingApp(running.client.app)
        clients = {
            name: Client(app, client.portal, client.headers)
            for name, client in {"anonymous": running.anonymous, "client": running.client}.items()
        }
        yield replace(running, **clients)


@pytest.fixture(scope="package")
def client(platform: Platform) -> Client:
    """The administrator of the tenant `default`."""
    return platform.client


@pytest.fixture(scope="package")
def anonymous(platform: Platform) -> Client:
    return platform.anonymous


@pytest.fixture(scope="package")
def stranger(platform: Platform) -> Client:
    """The administrator of another tenant."""
    return log_in(platform.anonymous, "stranger")


@pytest.fixture(scope="package")
def colleague(client: Client) -> Client:
    """A data scientist of the tenant `default`."""
    return log_in(client, create_user(client, username="colleague", roles=["data_scientist"])["username"])


@pytest.fixture(autouse=True)
def clear_record() -> None:
    """Let a test see its own calls only; those of its shared fixtures are not among them."""
    RECORD.clear()


@pytest.fixture(scope="package")
def customers(client: Client) -> dict[str, Any]:
    """A dataset for trainings, validated against a template in which `plan` has a default."""
    schema = [
        {"column_name": "id", "data_type": "Integer"},
        {"column_name": "age", "data_type": "Integer"},
        {"column_name": "plan", "data_type": "String", "default_value": "basic"},
        {"column_name": "left", "data_type": "Boolean"},
    ]
    template = client.post("/template/", json={"template_name": "Customers", "template_schema": schema}).json()
    table = {"iceberg_table_name": "customers", "template_id": template["id"]}
    return create_dataset(client, ("customers.csv", customers_csv()), name="customers", **table)


@pytest.fixture(scope="package")
def customers_to_predict(client: Client) -> dict[str, Any]:
    """A dataset of the same columns for predictions; the batch has 12 rows."""
    return create_dataset(client, ("new.csv", customers_csv(12)), usage="p", name="customers to predict")


@pytest.fixture(scope="package")
def churn_created(client: Client, customers: dict[str, Any]) -> httpx.Response:
    """The answer to the training of a classification."""
    return client.post("/train/", json=churn_request(customers["id"], "churn"))


@pytest.fixture(scope="package")
def churn(client: Client, churn_created: httpx.Response) -> dict[str, Any]:
    """The row in `/train/list` of a classification that has completed."""
    return wait_for_training(client, churn_created)


@pytest.fixture(scope="package")
def age_created(colleague: Client, client: Client) -> httpx.Response:
    """The answer to a colleague's training of a regression, on a dataset of her own."""
    dataset = create_dataset(colleague, ("people.csv", customers_csv(80)), name="people")
    columns = [{"column_name": "id", "attribute_name": "Id"}, {"column_name": "age", "attribute_name": "Target"}]
    request = churn_request(dataset["id"], "age", domain="People", problem_type="Regression", columns=columns)
    return colleague.post("/train/", json=request | {"algorithm": "XGBoost"})


@pytest.fixture(scope="package")
def age(client: Client, age_created: httpx.Response) -> dict[str, Any]:
    """The row in `/train/list` of a regression that has completed."""
    return wait_for_training(client, age_created)


@pytest.fixture(scope="package")
def shops(client: Client) -> dict[str, Any]:
    """The row in `/train/list` of a forecast of three shops' daily sales, with a weekly season."""
    dataset = create_dataset(client, ("shops.csv", shop_rows(range(DAYS))), name="shops")
    request = forecast_request(dataset["id"], predictor_name="shops", columns=columns_of(SHOP_ROLES))
    return wait_for_training(client, client.post("/train/", json=request | {"algorithm": "SeasonalNaive"}))


def churn_request(dataset_id: int, predictor_name: str, **changes: Any) -> dict[str, Any]:
    """Return the body of a training that is quick."""
    return training_request(dataset_id, predictor_name) | {"hyperparameters": {"n_estimators": 20}} | changes


def wait_for_training(client: Client, created: httpx.Response) -> dict[str, Any]:
    """Return the row in `/train/list` of a training that has ended."""
    assert created.status_code == 201, created.text
    job = wait_for_job(client, created.json()["job_id"])
    assert job["state"] == "succeeded", job
    return get_row(client, created.json()["id"])


def get_row(client: Client, train_id: int) -> dict[str, Any]:
    rows = client.get("/train/list", params={"limit": 1000}).json()["data"]
    return next(row for row in rows if row["id"] == train_id)


class Held:
    """The jobs of one kind that wait to begin."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self._may_go_on = threading.Event()

    def wait(self) -> None:
        self.began.set()
        assert self._may_go_on.wait(60)

    def wait_until_begun(self) -> None:
        assert self.began.wait(60)

    def release(self) -> None:
        self._may_go_on.set()


Hold = Callable[[str], Held]


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    """Return a function that holds all jobs of a kind when they begin, until they are released or the test ends."""
    all_held: list[Held] = []

    def hold_kind(kind: str) -> Held:
        task, held = importlib.import_module(f"dataml.tasks.{kind}"), Held()
        run = task.run

        def run_held(spec: Any, context: Any) -> Any:
            held.wait()
            return run(spec, context)

        monkeypatch.setattr(task, "run", run_held)
        all_held.append(held)
        return held

    yield hold_kind
    for held in all_held:
        held.release()


def started_upload(client: Client, *files: tuple[str, bytes], **query: Any) -> dict[str, Any]:
    """Upload a dataset and return the answer at once."""
    answer = upload(client, *files, **query)
    assert answer.status_code == 201, answer.text
    return answer.json()
