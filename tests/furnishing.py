"""A tenant with one of everything: what calls that name an object are asked with."""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.client import PASSWORD, Client, wait_for_job
from tests.dataset.uploading import new_name, new_template, uploaded


@dataclass(frozen=True)
class Objects:
    """Ids, under the names that parameters of calls have for them."""

    ids: dict[str, Any]
    features: dict[str, Any]


def customers(rows: int = 200) -> bytes:
    """A CSV where `left` follows from `age` and `plan`, and `id` has one value a row."""
    chance = random.Random(7)
    lines = ["id,age,plan,left"]
    for number in range(1, rows + 1):
        age, plan = chance.randint(18, 80), chance.choice(["basic", "premium"])
        lines.append(f"{number},{age},{plan},{'true' if (age > 50) == (plan == 'basic') else 'false'}")
    return "\n".join(lines).encode()


def train_request(dataset_id: int, predictor_name: str) -> dict[str, Any]:
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


def new_user(client: Client, **fields: Any) -> dict[str, Any]:
    """A user of the client's own tenant."""
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    name = new_name("user").lower()
    usual = {"tenant_id": tenant_id, "username": name, "email": f"{name}@example.com", "password": PASSWORD}
    answer = client.post("/users/create-user", json=usual | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def new_role(client: Client, *permissions: str) -> dict[str, Any]:
    """A role of the client's own tenant that holds these permissions."""
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    role = client.post("/rbac/roles", json={"name": new_name("role"), "tenant_id": tenant_id}).json()
    ids = permission_ids(client)
    for permission in permissions:
        answer = client.request("PUT", f"/rbac/roles/{role['id']}/permissions/{ids[permission]}")
        assert answer.status_code == 200, answer.text
        role = answer.json()
    return role


def permission_ids(client: Client) -> dict[str, int]:
    return {row["name"]: row["id"] for row in client.get("/rbac/permissions").json()["data"]}


def _access_objects(client: Client, tenant_id: str) -> dict[str, Any]:
    key = client.post("/api-keys", json={"name": "of a service"}).json()
    name = new_name("can_x").lower().replace("-", "_")
    permission = client.post("/rbac/permissions", json={"name": name, "tenant_id": tenant_id}).json()
    return {
        "tenant_id": tenant_id,
        "user_id": new_user(client)["id"],
        "role_id": new_role(client, "can_view")["id"],
        "permission_id": permission["id"],
        "key_id": key["id"],
    }


def _forecast_objects(client: Client) -> dict[str, Any]:
    """A model of one customer's weeks, a value a day."""
    first = date(2024, 1, 1)
    lines = ["customer,day,calls", *(f"CUST_0001,{first + timedelta(n)},{n % 7 + n % 3}" for n in range(60))]
    dataset = uploaded(client, ("calls.csv", "\n".join(lines).encode()))
    roles = {"customer": "Id", "day": "Time", "calls": "Target"}
    request = {
        "dataset_id": dataset["id"],
        "predictor_name": new_name("calls"),
        "domain": "Forecast",
        "problem_type": "Forecast",
        "columns": [{"column_name": name, "attribute_name": role} for name, role in roles.items()],
        "algorithm": "SeasonalNaive",
    }
    training = client.post("/train/", json=request).json()
    assert wait_for_job(client, training["job_id"])["state"] == "succeeded"
    return {"forecast_train_id": training["id"], "forecast_preprocess_id": training["preprocess_id"]}


def furnish(client: Client) -> Objects:
    """Upload, train, explain, score and forecast in the tenant of this client; every job has ended."""
    forecasts = _forecast_objects(client)
    template_id = new_template(client, id="Integer", age="Integer", plan="String", left="Boolean")
    table = new_name("customers").replace("-", "_")
    dataset = uploaded(client, ("customers.csv", customers()), template_id=template_id, iceberg_table_name=table)
    file = client.get("/files/list", params={"dataset_id": dataset["id"]}).json()["data"][0]
    request = train_request(dataset["id"], new_name("predictor"))
    answer = client.post("/train/", json=request)
    assert answer.status_code == 201, answer.text
    training = answer.json()
    assert wait_for_job(client, training["job_id"])["state"] == "succeeded"
    asked = client.post("/train/generate-feature-importance", params={"train_id": training["id"]}).json()
    assert wait_for_job(client, asked["shap_job_id"])["state"] == "succeeded"

    to_predict = uploaded(client, ("customers.csv", customers(20)), usage="p")
    batch = client.post(
        "/inference/batchPrediction", json={"train_id": training["id"], "dataset_id": to_predict["id"]}
    ).json()
    assert wait_for_job(client, batch["job_id"])["state"] == "succeeded"
    row = client.get("/train/list").json()["data"][0]
    me = client.post("/login/test-token").json()
    ids = _access_objects(client, me["tenant_id"]) | forecasts
    ids |= {
        "template_id": template_id,
        "dataset_id": dataset["id"],
        "prediction_dataset_id": to_predict["id"],
        "file_id": file["id"],
        "file_path": file["file_path"],
        "train_id": training["id"],
        "preprocess_id": training["preprocess_id"],
        "predictor_name": training["predictor_name"],
        "tenant_name": row["endpoint_url"].split("/")[2],
        "job_id": training["job_id"],
        "chart_name": "beeswarm",
        "prediction_id": batch["prediction_id"],
        "schema_name": "silver",
        "table_name": table,
        "column_name": "age",
        "share_id": _share(client, me["tenant_id"]),
    }
    return Objects(ids, {"age": 60, "plan": "basic"})


def _share(client: Client, tenant_id: str) -> int:
    """Who is no administrator of the platform shares nothing."""
    share = {"tenant_id": tenant_id, "owner_tenant_id": tenant_id, "schema_name": "gold", "name": new_name("shared")}
    answer = client.post("/datalake/shares", json=share)
    return answer.json()["id"] if answer.status_code == 201 else 999_998
