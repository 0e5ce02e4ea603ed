"""A sample tenant with one object of each kind, and the requests that create users, roles and trainings."""

import random
import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.client import PASSWORD, Client, wait_for_job
from tests.dataset.datasets import create_dataset, create_template, new_name


@dataclass(frozen=True)
class SampleTenant:
    """Objects of a tenant: their ids, keyed by the names that parameters of calls have, and the features of a row."""

    ids: dict[str, Any]
    features: dict[str, Any]


def customers_csv(rows: int = 200) -> bytes:
    """Return a CSV in which `age` and `plan` determine `left`, and `id` is unique in each row."""
    chance = random.Random(7)
    lines = ["id,age,plan,left"]
    for number in range(1, rows + 1):
        age, plan = chance.randint(18, 80), chance.choice(["basic", "premium"])
        lines.append(f"{number},{age},{plan},{'true' if (age > 50) == (plan == 'basic') else 'false'}")
    return "\n".join(lines).encode()


def training_request(dataset_id: int, predictor_name: str) -> dict[str, Any]:
    """Return the body of `POST /train/` for a dataset of `customers_csv`."""
    return {
        "dataset_id": dataset_id,
        "predictor_name": predictor_name,
        "domain": "Churn",
        "problem_type": "Classification",
        "columns": [
            {"column_name": "id", "data_type": "Integer", "attribute_name": "Id"},
            {"column_name": "left", "data_type": "Boolean", "attribute_name": "Target"},
        ],
        "algorithm": "LightGBM",
    }


def create_user(client: Client, **fields: Any) -> dict[str, Any]:
    """Create a user in the client's tenant and return the answer of the API."""
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    name = new_name("user").lower()
    defaults = {"tenant_id": tenant_id, "username": name, "email": f"{name}@example.com", "password": PASSWORD}
    answer = client.post("/users/create-user", json=defaults | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def create_role(client: Client, *permissions: str) -> dict[str, Any]:
    """Create a role with these permissions in the client's tenant and return the answer of the API."""
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    role = client.post("/rbac/roles", json={"name": new_name("role"), "tenant_id": tenant_id}).json()
    ids = get_permission_ids(client)
    for permission in permissions:
        answer = client.request("PUT", f"/rbac/roles/{role['id']}/permissions/{ids[permission]}")
        assert answer.status_code == 200, answer.text
        role = answer.json()
    return role


def get_permission_ids(client: Client) -> dict[str, int]:
    """Return the id of each permission by its name."""
    return {row["name"]: row["id"] for row in client.get("/rbac/permissions").json()["data"]}


def _create_access_objects(client: Client, tenant_id: str) -> dict[str, Any]:
    """Create an API key, a permission, a user with a session and a role, and return their ids."""
    key = client.post("/api-keys", json={"name": "of a service"}).json()
    name = new_name("can_x").lower().replace("-", "_")
    permission = client.post("/rbac/permissions", json={"name": name, "tenant_id": tenant_id}).json()
    user = create_user(client)
    login = client.post("/login/access-token", data={"username": user["username"], "password": PASSWORD})
    assert login.status_code == 200, login.text
    opened = client.get("/sessions/list", params={"user_id": user["id"]}).json()["data"]
    return {
        "tenant_id": tenant_id,
        "user_id": user["id"],
        "session_id": opened[0]["id"],
        "role_id": create_role(client, "can_view")["id"],
        "permission_id": permission["id"],
        "key_id": key["id"],
    }


def create_forecast(client: Client) -> dict[str, Any]:
    """Train a forecast of one customer's daily calls, and return its ids."""
    first = date(2024, 1, 1)
    lines = ["customer,day,calls", *(f"CUST_0001,{first + timedelta(n)},{n % 7 + n % 3}" for n in range(60))]
    dataset = create_dataset(client, ("calls.csv", "\n".join(lines).encode()))
    roles = {"customer": "Id", "day": "Time", "calls": "Target"}
    request = {
        "dataset_id": dataset["id"],
        "predictor_name": _new_dissimilar_name(),
        "domain": "Forecast",
        "problem_type": "Forecast",
        "columns": [{"column_name": name, "attribute_name": role} for name, role in roles.items()],
        "algorithm": "SeasonalNaive",
    }
    training = client.post("/train/", json=request).json()
    assert wait_for_job(client, training["job_id"])["state"] == "succeeded"
    return {
        "forecast_train_id": training["id"],
        "forecast_preprocess_id": training["preprocess_id"],
        "forecast_name": training["predictor_name"],
    }


def _new_dissimilar_name() -> str:
    """Return a name for which no other tenant's name is suggested, so that answers about it can be compared."""
    return f"n{uuid.uuid4().hex}"


def create_sample_tenant(client: Client) -> SampleTenant:
    """Upload, train, explain, predict and forecast in the client's tenant, and return when every job has ended."""
    forecast_ids = create_forecast(client)
    template_id = create_template(client, id="Integer", age="Integer", plan="String", left="Boolean")
    table = _new_dissimilar_name()
    dataset = create_dataset(
        client, ("customers.csv", customers_csv()), template_id=template_id, iceberg_table_name=table
    )
    file = client.get("/files/list", params={"dataset_id": dataset["id"]}).json()["data"][0]
    request = training_request(dataset["id"], _new_dissimilar_name())
    answer = client.post("/train/", json=request)
    assert answer.status_code == 201, answer.text
    training = answer.json()
    assert wait_for_job(client, training["job_id"])["state"] == "succeeded"
    explanation = client.post("/train/generate-feature-importance", params={"train_id": training["id"]}).json()
    assert wait_for_job(client, explanation["shap_job_id"])["state"] == "succeeded"

    to_predict = create_dataset(client, ("customers.csv", customers_csv(20)), usage="p")
    batch = client.post(
        "/inference/batchPrediction", json={"train_id": training["id"], "dataset_id": to_predict["id"]}
    ).json()
    assert wait_for_job(client, batch["job_id"])["state"] == "succeeded"
    row = client.get("/train/list").json()["data"][0]
    me = client.post("/login/test-token").json()
    ids = _create_access_objects(client, me["tenant_id"]) | forecast_ids
    ids |= {
        "template_id": template_id,
        "dataset_id": dataset["id"],
        "prediction_dataset_id": to_predict["id"],
        "file_id": file["id"],
        "file_path": file["file_path"],
        "train_id": training["id"],
        "preprocess_id": training["preprocess_id"],
        "predictor_name": training["predictor_name"],
        "version": training["version"],
        "tenant_name": row["endpoint_url"].split("/")[2],
        "job_id": training["job_id"],
        "alias": "champion",
        "chart_name": "beeswarm",
        "prediction_id": batch["prediction_id"],
        "schema_name": "silver",
        "table_name": table,
        "column_name": "age",
        "share_id": _create_share(client, me["tenant_id"]),
    }
    return SampleTenant(ids, {"age": 60, "plan": "basic"})


def _create_share(client: Client, tenant_id: str) -> int:
    """Create a share and return its id, or an id of no share if the user is not an administrator of the platform."""
    share = {"tenant_id": tenant_id, "owner_tenant_id": tenant_id, "schema_name": "gold", "name": new_name("shared")}
    answer = client.post("/datalake/shares", json=share)
    return answer.json()["id"] if answer.status_code == 201 else 999_998
