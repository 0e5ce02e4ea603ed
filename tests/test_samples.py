"""The reference's sample requests are accepted unchanged, and answers have its fields with their JSON types."""

from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from tests.client import PASSWORD, Client, wait_for_job
from tests.conftest import Platform
from tests.database import execute_sql
from tests.sample_tenant import SampleTenant, create_sample_tenant, training_request

# Types of the reference. A `?` after a type means that the value can be null.
INTEGER, STRING, NUMBER, BOOLEAN, OBJECT, TIME = "integer", "string", "number", "boolean", "object", "time"

TEMPLATE_ROW = {
    "template_name": STRING,
    "id": INTEGER,
    "tenant_id": STRING,
    "no_of_columns": INTEGER,
    "created_by": STRING,
    "created_at": TIME,
    "modified_at": TIME,
    "modified_by": STRING,
}
TEMPLATE_COLUMN = {"column_name": STRING, "data_type": STRING, "default_value": STRING + "?"}
DATASET_ROW = {
    "tenant_id": STRING,
    "dataset_name": STRING,
    "file_count": INTEGER,
    "is_valid": BOOLEAN,
    "created_by": STRING,
    "template_id": INTEGER + "?",
    "id": INTEGER,
}
FILE_ROW = {
    "dataset_id": INTEGER,
    "id": INTEGER,
    "file_name": STRING,
    "created_at": TIME,
    "modified_at": TIME,
    "total_fields": INTEGER,
    "total_records": INTEGER,
    "error_report": OBJECT + "?",
}
COLUMN = {"column_name": STRING, "data_type": STRING}
TRAIN_ROW = {
    "tenant_id": STRING,
    "predictor_name": STRING,
    "preprocess_id": INTEGER,
    "problem_type": STRING,
    "domain": STRING,
    "created_by": STRING,
    "id": INTEGER,
    "dataset_id": INTEGER,
    "dataset_name": STRING,
    "data_source": STRING,
    "created_at": TIME,
    "modified_at": TIME,
    "algorithm": STRING + "?",
    "accuracy": NUMBER + "?",
    "ml_model_status": STRING,
    "train_status": STRING,
    "training_status": STRING,
}
USER = {
    "tenant_id": STRING,
    "first_name": STRING + "?",
    "last_name": STRING + "?",
    "email": STRING + "?",
    "username": STRING,
    "id": INTEGER,
    "is_active": BOOLEAN,
}
MODEL_SUMMARY = {"model": STRING, "accuracy": NUMBER, "precision": NUMBER, "recall": NUMBER, "f1_score": NUMBER}
PREDICTION_ROW = {
    "prediction_id": INTEGER,
    "train_id": INTEGER,
    "date": TIME,
    "dataset_id": INTEGER + "?",
    "predictor_name": STRING,
    "prediction_type": STRING,
    "input_data": STRING,
    "status": STRING,
    "no_of_records": INTEGER,
    "accuracy": NUMBER + "?",
    "problem_type": STRING,
    "domain_name": STRING,
}
STATUS = {"status": STRING, "message": STRING}
FORM_FIELD = {"column_name": STRING, "data_type": STRING, "default_value": STRING + "?"}
DETAILS = {"dataset_id": INTEGER, "predictor_name": STRING, "domain": STRING, "problem_type": STRING}

# Method, path, JSON body, status and documented answer. `{names}` are ids of objects; a list holds one of its elements.
DOCUMENTED_CALLS: list[tuple[str, str, Any, int, Any]] = [
    ("POST", "/login/test-token", None, 200, USER),
    ("GET", "/validate-token", None, 200, STATUS),
    ("GET", "/utils/health-check/", None, 200, STATUS),
    ("GET", "/template/list", None, 200, {"total": INTEGER, "data": [TEMPLATE_ROW]}),
    ("GET", "/template/{template_id}", None, 200, TEMPLATE_ROW | {"template_schema": [TEMPLATE_COLUMN]}),
    (
        "GET",
        "/dataset/list",
        None,
        200,
        {
            "total": INTEGER,
            "data": [
                DATASET_ROW
                | {"data_source": STRING, "iceberg_table_name": STRING + "?", "template_name": STRING + "?"}
                | {"created_at": TIME, "modified_at": TIME, "dataset_usability": STRING + "?"}
                | {"usage": STRING, "dataset_usage": STRING}
            ],
        },
    ),
    ("GET", "/dataset/list_validated", None, 200, [DATASET_ROW]),
    (
        "GET",
        "/dataset/get_dataset_by_id?dataset_id={dataset_id}",
        None,
        200,
        {"dataset_name": STRING, "dataset_path": STRING, "validated_path": STRING + "?"}
        | {"iceberg_table_name": STRING + "?", "data_source": STRING},
    ),
    ("GET", "/dataset/view?dataset_id={dataset_id}", None, 200, {"preview": [OBJECT]}),
    ("POST", "/dataset/generate_statistics?dataset_id={dataset_id}", None, 202, STATUS | {"job_id": STRING}),
    ("GET", "/files/list?dataset_id={dataset_id}", None, 200, {"total": INTEGER, "data": [FILE_ROW]}),
    ("GET", "/files/view?file_id={file_id}", None, 200, {"file_id": INTEGER, "content_preview": [STRING]}),
    (
        "GET",
        "/files/get_file_by_id/?file_id={file_id}",
        None,
        200,
        FILE_ROW | {"csv_file_path": STRING + "?", "hdf_file_path": STRING + "?"},
    ),
    (
        "POST",
        "/train/get_details",
        {"dataset_id": "{dataset_id}", "predictor_name": "p1", "domain": "Churn", "problem_type": "Classification"},
        200,
        DETAILS | {"dataset_schema": [COLUMN], "attributes": [STRING]},
    ),
    ("GET", "/train/list", None, 200, {"total": INTEGER, "data": [TRAIN_ROW]}),
    ("GET", "/train/refresh", None, 200, {"total": INTEGER, "data": [TRAIN_ROW]}),
    ("GET", "/train/download-schema/{train_id}", None, 200, {"schema": [COLUMN]}),
    ("GET", "/train/generate-feature-importance?train_id={train_id}", None, 202, STATUS | {"shap_job_id": STRING}),
    (
        "GET",
        "/train/view-feature-importance?train_id={train_id}",
        None,
        200,
        {"feature_importance": OBJECT, "status": STRING},
    ),
    (
        "GET",
        "/train/model-summary?train_id={train_id}",
        None,
        200,
        {"model_summary": MODEL_SUMMARY, "confusion_matrix": [[INTEGER]]},
    ),
    (
        "POST",
        "/inference/",
        {
            "preprocess_id": "{preprocess_id}",
            "train_id": "{train_id}",
            "features": {"age": 60, "plan": "basic"},
            "target": "left",
        },
        200,
        {"prediction": BOOLEAN, "accuracy": NUMBER},
    ),
    (
        "POST",
        "/inference/forecast",
        {
            "train_id": "{forecast_train_id}",
            "preprocess_id": "{forecast_preprocess_id}",
            "steps": 4,
            "frequency": "Week",
            "unique_id": "CUST_0001",
        },
        200,
        {"forecast": [{"date": STRING, "value": NUMBER, "confidence": NUMBER}]},
    ),
    (
        "POST",
        "/inference/batchPrediction",
        {"train_id": "{train_id}", "dataset_id": "{prediction_dataset_id}"},
        202,
        {"message": STRING, "status_code": INTEGER},
    ),
    (
        "POST",
        "/inference/batch-prediction",
        {"train_id": "{train_id}", "dataset_id": "{prediction_dataset_id}"},
        202,
        {"message": STRING, "status_code": INTEGER},
    ),
    (
        "GET",
        "/inference/form-based-prediction?id={train_id}",
        None,
        200,
        {"id": INTEGER, "headers": [FORM_FIELD], "target": STRING, "preprocess_id": INTEGER},
    ),
    (
        "GET",
        "/inference/result?prediction_id={prediction_id}",
        None,
        200,
        {"status": STRING, "result_path": STRING, "file_id": INTEGER, "dataset_id": INTEGER},
    ),
    ("GET", "/inference/predictions?train_id={train_id}", None, 200, {"data": [PREDICTION_ROW]}),
    ("GET", "/datalake/schemas", None, 200, [STRING]),
    ("GET", "/datalake/schemas/tables?schema_name=silver", None, 200, [STRING]),
    (
        "GET",
        "/datalake/tables/columns?schema_name=silver&table_name={table_name}",
        None,
        200,
        [{"column_name": STRING, "data_type": STRING}],
    ),
    (
        "GET",
        "/datalake/table_metadata?schema_name=silver&table_name={table_name}",
        None,
        200,
        {"schema": STRING, "table": STRING, "owner": STRING, "created_time": TIME}
        | {"last_access_time": TIME + "?", "location": STRING, "format": STRING},
    ),
    (
        "GET",
        "/datalake/numeric_stats?schema_name=silver&table_name={table_name}&column_name=age",
        None,
        200,
        {"column": STRING, "count": INTEGER, "mean": NUMBER, "std_dev": NUMBER, "min": NUMBER, "max": NUMBER}
        | {"median": NUMBER},
    ),
    (
        "GET",
        "/datalake/distinct-count?schema=silver&table={table_name}&column=plan",
        None,
        200,
        {"column": STRING, "distinct_count": INTEGER},
    ),
    (
        "POST",
        "/train/update/",
        {"train_id": "{train_id}", "preprocess_id": "{preprocess_id}"},
        200,
        {"data": STRING, "status_code": INTEGER, "message": STRING},
    ),
    (
        "GET",
        "/train/{train_id}",
        None,
        200,
        TRAIN_ROW
        | {"is_promoted": BOOLEAN, "roles": OBJECT, "hyperparameters": OBJECT, "lineage": OBJECT}
        | {"summary": OBJECT + "?"},
    ),
    ("DELETE", "/train/delete-feature-importance/{train_id}", None, 200, {"status_code": INTEGER, "message": STRING}),
    ("POST", "/ray/terminate_ray_job?ray_job_id={job_id}&usage=training", None, 200, STATUS),
]


@pytest.fixture(scope="module")
def objects(client: Client) -> SampleTenant:
    return create_sample_tenant(client)


def fill_ids(part: Any, ids: dict[str, Any]) -> Any:
    """Return a JSON value in which `{name}` is replaced by the id of that object."""
    if isinstance(part, dict):
        return {key: fill_ids(value, ids) for key, value in part.items()}
    if isinstance(part, str) and part.startswith("{"):
        return ids[part[1:-1]]
    return part


def is_of_type(value: Any, kind: str) -> bool:
    """Return whether a JSON value is of this type. `true` is not an integer."""
    if kind.endswith("?"):
        return value is None or is_of_type(value, kind[:-1])
    if kind == TIME:
        return isinstance(value, str) and value.endswith("Z") and datetime.fromisoformat(value).tzinfo == UTC
    if kind == INTEGER:
        return type(value) is int
    if kind == NUMBER:
        return type(value) in (int, float)
    return isinstance(value, {STRING: str, BOOLEAN: bool, OBJECT: dict}[kind])


def find_differences(value: Any, documented: Any, at: str = "") -> list[str]:
    """Return the places where a value differs from the documentation. Additional fields are allowed."""
    if isinstance(documented, list):
        if not isinstance(value, list) or not value:
            return [f"{at} is no list with elements: {value!r}"]
        return [
            line for place, part in enumerate(value) for line in find_differences(part, documented[0], f"{at}[{place}]")
        ]
    if isinstance(documented, dict):
        if not isinstance(value, dict):
            return [f"{at} is no object: {value!r}"]
        missing = [f"{at}.{name} is missing" for name in documented.keys() - value.keys()]
        return missing + [
            line
            for name in documented.keys() & value.keys()
            for line in find_differences(value[name], documented[name], f"{at}.{name}")
        ]
    return [] if is_of_type(value, documented) else [f"{at} is no {documented}: {value!r}"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "documented"),
    DOCUMENTED_CALLS,
    ids=[f"{method} {path}" for method, path, *_ in DOCUMENTED_CALLS],
)
def test_answer_has_the_documented_fields_and_types(
    client: Client, objects: SampleTenant, method: str, path: str, body: Any, status: int, documented: Any
) -> None:
    answer = client.request(method, path.format(**objects.ids), json=fill_ids(body, objects.ids))
    assert answer.status_code == status, answer.text
    assert find_differences(answer.json(), documented) == []
    if status == 202:
        # The next call needs the result of this job.
        job_id = answer.json().get("job_id") or answer.json()["shap_job_id"]
        assert wait_for_job(client, job_id)["state"] == "succeeded"


def test_comparison_of_these_tests_finds_differences() -> None:
    documented = {"a": INTEGER, "b": [{"c": TIME}], "d": STRING + "?"}
    good = {"a": 1, "b": [{"c": "2025-09-18T15:00:00Z"}], "d": None, "more": 1}
    assert find_differences(good, documented) == []
    for other in ({"a": True}, {"a": "1"}, {"a": None}, {"b": []}, {"b": [{}]}, {"b": [{"c": "2025-09-18"}]}, {"d": 1}):
        assert len(find_differences(good | other, documented)) == 1
    assert find_differences({}, {"a": INTEGER}) == [".a is missing"]


def test_login_sample_is_accepted(anonymous: Client) -> None:
    answer = anonymous.post("/login/access-token", data={"username": "admin", "password": PASSWORD})
    assert answer.request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert find_differences(answer.json(), {"access_token": STRING, "token_type": STRING}) == []
    assert answer.json()["token_type"] == "bearer"
    assert jwt.get_unverified_header(answer.json()["access_token"]).items() >= {"alg": "HS256", "typ": "JWT"}.items()


def test_template_sample_is_accepted(client: Client) -> None:
    body = b"""{
  "template_name": "Telecom Customer Usage",
  "template_schema": [
    {
      "column_name": "CustomerID",
      "data_type": "String",
      "default_value": "CUST-0000"
    },
    {
      "column_name": "DataUsageGB",
      "data_type": "Float",
      "default_value": "0.0"
    }
  ]
}"""
    answer = client.post("/template/", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["status"]) == (201, 201)
    assert answer.json()["message"] == "Template created successfully."
    template = client.get(f"/template/{answer.json()['id']}").json()
    assert template["template_schema"][1] == {
        "column_name": "DataUsageGB",
        "data_type": "Float",
        "default_value": "0.0",
    }


def test_upload_and_train_samples_are_accepted(client: Client) -> None:
    rows = "\n".join(f"CUST-{number:04},{number % 50},{number % 50 > 20}" for number in range(200))
    query = "dataset_name=telecom_usage_q3&usage=t"
    files = {"files": ("usage.csv", f"CustomerID,Tenure,Churn\n{rows}\n".encode())}
    answer = client.post(f"/dataset/upload?{query}", files=files)
    documented = {"dataset_id": INTEGER, "dataset_name": STRING, "data_source": STRING, "files": [FILE_ROW]}
    assert answer.status_code == 201
    assert find_differences(answer.json(), documented) == []
    wait_for_job(client, answer.json()["job_id"])
    sample = {
        "dataset_id": answer.json()["dataset_id"],
        "predictor_name": "churn_v1",
        "domain": "Churn",
        "problem_type": "Classification",
        "columns": [
            {"column_name": "CustomerID", "data_type": "String", "attribute_name": "Id"},
            {"column_name": "Churn", "data_type": "Boolean", "attribute_name": "Target"},
        ],
        "shap_enabled": True,
    }
    answer = client.post("/train/", json=sample)
    assert answer.status_code == 201
    created = {"id", "tenant_id", "predictor_name", "problem_type", "created_by", "dataset_id", "created_at"}
    created |= {"modified_at"}
    assert find_differences(answer.json(), {name: TRAIN_ROW[name] for name in created}) == []
    assert answer.json()["training_status"] == "submitted_to_ray"
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    row = client.get("/train/list").json()["data"][0]
    assert (row["training_status"], row["train_status"], row["ml_model_status"]) == ("Completed", *["completed"] * 2)


def test_second_training_of_the_same_name_is_409(client: Client, objects: SampleTenant) -> None:
    request = training_request(objects.ids["dataset_id"], objects.ids["predictor_name"])
    assert client.post("/train/", json=request).status_code == 409


def test_callback_samples_are_accepted_except_their_paths_and_ids(
    platform: Platform, client: Client, objects: SampleTenant
) -> None:
    """The samples send no token, and they send paths, which are refused. The other fields are unchanged."""
    train_id, number = objects.ids["train_id"], int(objects.ids["job_id"].removeprefix("train-job-"))
    execute_sql(platform.settings, "UPDATE job SET state = 'running', attempt = 9 WHERE id = ?", number)
    execute_sql(platform.settings, "UPDATE training SET status = 'submitted_to_ray' WHERE id = ?", train_id)
    token = client.post(f"/jobs/{number}/callback-token").json()["token"]
    outside = Client(client.app, client.portal, {"Authorization": f"Bearer {token}"})
    paths = {"checkpoint": "/path/to/model/checkpoint", "error": None, "path": "/path/to/model/output"}
    sample = {"result": {"metrics": {"accuracy": 0.925}, **paths}, "train_id": train_id}
    answer = outside.post("/train/result", json=sample)
    assert (answer.status_code, answer.json()["code"]) == (422, "path_refused")
    sample["result"] |= {"checkpoint": None, "path": None, "error": "It broke."}
    answer = outside.post("/train/result", json=sample)
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "message": "Result received"})


def test_deletion_sample_is_accepted(client: Client, objects: SampleTenant) -> None:
    answer = client.request("DELETE", f"/train/delete/{objects.ids['train_id']}")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status_code": 200, "message": "Training job deleted successfully"},
    )
