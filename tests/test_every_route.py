"""Rules that hold for every route: tokens, permissions, tenants, ids, bodies and headers."""

import itertools
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jwt
import pytest
from fastapi import APIRouter
from httpx import Response

from dataml import app
from dataml.access.permissions import Permission
from dataml.access.tokens import AUDIENCE, ISSUER
from dataml.http.strict_json import MAX_JSON_BYTES
from tests.client import API, PASSWORD, Client, wait_for_job
from tests.conftest import Platform, log_in
from tests.database import read_all_tables
from tests.dataset.datasets import new_name
from tests.sample_tenant import SampleTenant, create_role, create_sample_tenant, create_user, training_request

PUBLIC_CALLS = {("POST", f"{API}/{name}") for name in ("login/access-token", "refresh", "logout")}
PUBLIC_CALLS |= {("GET", f"{API}/utils/health-check"), ("GET", "/v2/health/live"), ("GET", "/v2/health/ready")}
# Calls with this requirement take the token of a job, and no token of a user.
PAGES = {"/docs", "/redoc", "/docs/assets/{digest}/{name}"}
JOB_TOKEN = "a job's token"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# Parameters that name an object, with the name of the object in `SampleTenant`.
IDS = {name: name for name in ("template_id", "dataset_id", "file_id", "file_path", "train_id", "job_id")}
IDS |= {name: name for name in ("prediction_id", "tenant_name", "predictor_name", "forecast_name")}
IDS |= {name: name for name in ("tenant_id", "user_id", "role_id", "permission_id", "key_id", "session_id")}
IDS |= {"id": "train_id", "ray_job_id": "job_id", "chart_name": "chart_name"}
IDS |= {"schema_name": "schema_name", "table_name": "table_name", "column_name": "column_name", "share_id": "share_id"}
IDS |= {"schema": "schema_name", "table": "table_name", "column": "column_name"}
IDS |= {"alias": "alias", "version": "version"}
# Parameters whose values exist in every tenant.
COMMON_NAMES = {"chart_name", "schema_name", "schema", "column_name", "column", "alias", "version"}
# Parameters that name no object.
OTHER_PARAMETERS = {
    "limit",
    "wait",
    "q",
    "sort",
    "name",
    "status",
    "predictor",
    "problem_type",
    "subject_id",
    "created_by",
    "email",
    "is_active",
    "purpose",
    "offset",
    "columns",
    "level",
    "format",
    "kind",
    "state",
    "usage",
    "dataset_name",
    "iceberg_table_name",
    "promotion",
}
OTHER_PARAMETERS |= {
    "raw_table_name",
    "lake_mode",
    "snapshot_id",
    "on_error",
    "encoding",
    "header_row",
    "delimiter",
    "rows",
    "rule",
    "attempt",
    "charts",
    "target",
    "username",
    "action",
    "time_limit_s",
    "subject",
    "outcome",
    "address",
    "since",
    "until",
    "prediction_type",
    "unique_id",
    "steps",
    "ahead",
}
# Secrets that may stand in the query.
OTHER_PARAMETERS |= {"refresh_token", "user_name", "new_password", "current_password"}

# Calls that delete their object, or change it each time. Tests that make every call give them ids that do not exist.
DELETING_PATHS = {"/api/v1/train/delete/{id}", "/api/v1/train/delete-feature-importance/{train_id}"}
DELETING_PATHS |= {"/api/v1/endpoints/{train_id}"}
DELETING_PATHS |= {"/api/v1/rbac/roles/{role_id}", "/api/v1/sessions/{session_id}"}
DELETING_PATHS |= {"/api/v1/datalake/shares/{share_id}", "/api/v1/dataset/{dataset_id}/validate"}

# What these answer changes from one moment to the next.
VARYING_PATHS = {"/api/v1/utils/status", "/metrics"}

# Filters of lists by an object: without such an object the list is empty (`tests/http/test_lists.py`).
FILTERS = {("/api/v1/dataset/list", "template_id"), ("/api/v1/dataset/list_validated", "template_id")}
FILTERS |= {("/api/v1/train/list", "dataset_id"), ("/api/v1/train/refresh", "dataset_id")}
FILTERS |= {("/api/v1/inference/predictions", "dataset_id"), ("/api/v1/dataset/wrong-cells", "column")}

# What stands behind the name of a predictor in its direct routes.
VERSION_ADDRESSES = ("", "@{alias}", "/v{version}")

# Codes of right calls on the objects of `SampleTenant`: they have no statistics, the model is no forecast, and its only
# version is the champion.
OTHER_REFUSALS = {"statistics_not_found", "wrong_problem_type"}
OTHER_REFUSALS |= {"already_champion", "no_earlier_champion", "champion_required", "traffic_not_split"}

# Ids that no row has, which a user or an attacker may send.
INVALID_IDS = [-1, 0, 2**63 - 1, 2**63, 2**70, -(2**63) - 1, "1 OR 1=1", "1;DROP TABLE user", "", "%00", "null", "1.5"]


class Call(NamedTuple):
    """A documented call and the names of its parameters."""

    method: str
    path: str
    in_path: tuple[str, ...]
    in_query: tuple[str, ...]
    required: tuple[str, ...]
    needs: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_public(self) -> bool:
        return (self.method, self.path) in PUBLIC_CALLS

    @property
    def is_deleting(self) -> bool:
        return self.path in DELETING_PATHS

    def url(self, ids: dict[str, Any]) -> str:
        """Return the path with these ids, or with ids that do not exist if the call deletes its object."""
        return self.path.format(**{name: 999_999 if self.is_deleting else ids[IDS[name]] for name in self.in_path})


@dataclass(frozen=True)
class RouteCall:
    """A call and the objects that it names; `ids` are their names in `SampleTenant`."""

    call: Call
    ids: tuple[str, ...]

    def send(self, client: Client, ids: dict[str, Any], **request: Any) -> Response:
        call = self.call
        path = call.path.format(**{name: ids[IDS[name]] for name in call.in_path})
        values = {"dataset_name": new_name("never"), "usage": "t"}
        if call.path.endswith("/train/suggestion"):
            values["target"] = "left"
        values |= {name: ids[of] for name, of in IDS.items() if of in self.ids}
        query = {name: values[name] for name in call.in_query if name in values}
        if call.path.endswith(("/dataset/upload", "/files/add", "/template/infer")):
            request["files"] = [("files", ("a.csv", b"id,age,plan,left\n1,2,a,true\n"))]
        body = _body(call.path, ids) if call.method in ("POST", "PUT") else None
        if body is not None:
            request["json"] = body
        return client.request(call.method, path, params=query, **request)


def _body(path: str, ids: dict[str, Any]) -> dict[str, Any] | None:
    """Return the JSON body of a call, or None if it takes none."""
    features = {"features": {"age": 60, "plan": "basic"}}
    forecast = {"steps": 2, "unique_ids": "all"}
    batch = {"train_id": ids["train_id"], "dataset_id": ids["prediction_dataset_id"]}
    details = {"predictor_name": "never", "domain": "Churn", "problem_type": "Classification"}
    tensors = {
        "inputs": [
            {"name": "age", "shape": [1], "datatype": "INT64", "data": [60]},
            {"name": "plan", "shape": [1], "datatype": "BYTES", "data": ["basic"]},
        ]
    }
    of_training = {name: ids[name] for name in ("train_id", "preprocess_id")}
    named = {"tenant_id": ids["tenant_id"], "name": new_name("can_y").lower().replace("-", "_")}
    user = {"username": new_name("x").lower(), "email": f"{new_name('x')}@example.com", "password": PASSWORD}
    return {
        "/api/v1/users/create-user": user | {"tenant_id": ids["tenant_id"]},
        "/api/v1/rbac/roles": named,
        "/api/v1/rbac/permissions": named,
        "/api/v1/tenants": {"name": new_name("tenant").replace(" ", "-")},
        "/api/v1/api-keys": {"name": "never", "permissions": ["can_view"]},
        "/api/v1/reset-password": {"user_name": "nobody", "new_password": PASSWORD},
        "/api/v1/template": {"template_name": new_name("never")},
        "/api/v1/template/update/{template_id}": {"template_name": new_name("never")},
        "/api/v1/users/{user_id}": {},
        "/api/v1/tenants/{tenant_id}": {},
        "/api/v1/endpoints/{train_id}": {},
        "/api/v1/train": training_request(ids["dataset_id"], "never"),
        "/api/v1/train/check": training_request(ids["dataset_id"], "never"),
        "/api/v1/train/update": of_training,
        "/api/v1/predictors/{predictor_name}": {"promotion": "automatic"},
        "/api/v1/predictors/{predictor_name}/aliases/{alias}": {"version": 1},
        "/api/v1/predictors/{predictor_name}/promote": {"version": 1},
        "/api/v1/predictors/{predictor_name}/rollback": {},
        "/api/v1/predictors/{predictor_name}/traffic": {},
        "/api/v1/predictors/{predictor_name}/actuals": {"actuals": [{"prediction_id": 1, "value": True}]},
        "/api/v1/train/{train_id}/threshold": {"threshold": 0.4},
        "/api/v1/train/get_details": details | {"dataset_id": ids["dataset_id"]},
        "/api/v1/datalake/shares": {"tenant_id": ids["tenant_id"], "schema_name": "gold", "name": new_name("never")}
        | {"owner_tenant_id": ids["tenant_id"]},
        "/api/v1/inference": of_training | features | {"target": "left"},
        "/api/v1/inference/forecast": {
            "train_id": ids["forecast_train_id"],
            "preprocess_id": ids["forecast_preprocess_id"],
            "steps": 2,
            "unique_id": "CUST_0001",
        },
        "/api/v1/inference/batchPrediction": batch,
        "/api/v1/inference/batch-prediction": batch,
        **{f"/models/{{tenant_name}}/{{predictor_name}}{of}/predict": features for of in VERSION_ADDRESSES},
        **{f"/models/{{tenant_name}}/{{forecast_name}}{of}/forecast": forecast for of in VERSION_ADDRESSES},
        "/v2/models/{predictor_name}/infer": tensors,
        "/v2/models/{predictor_name}/versions/{version}/infer": tensors,
    }.get(path)


BODY_IDS = {
    "/api/v1/users/create-user": ["tenant_id"],
    "/api/v1/rbac/roles": ["tenant_id"],
    "/api/v1/rbac/permissions": ["tenant_id"],
    "/api/v1/train": ["dataset_id"],
    "/api/v1/train/check": ["dataset_id"],
    "/api/v1/train/get_details": ["dataset_id"],
    "/api/v1/train/update": ["train_id", "preprocess_id"],
    "/api/v1/inference": ["train_id"],
    "/api/v1/inference/forecast": ["forecast_train_id"],
    "/api/v1/inference/batchPrediction": ["train_id", "prediction_dataset_id"],
    "/api/v1/inference/batch-prediction": ["train_id", "prediction_dataset_id"],
}


def object_calls(calls: list[Call]) -> Iterator[tuple[RouteCall, str]]:
    """Yield each call with each object that it can name, and the name of the object."""
    for call in calls:
        in_body = BODY_IDS.get(call.path, []) if call.method == "POST" else []
        needed = [IDS[name] for name in call.required if name in IDS] + in_body
        named = [IDS[name] for name in (*call.in_path, *call.in_query) if name in IDS.keys() - COMMON_NAMES]
        for of in dict.fromkeys(named + in_body):
            if (call.path, of) in FILTERS:
                continue
            yield RouteCall(call, tuple({*needed, of})), of


def refusal(answer: Response) -> tuple[int, str]:
    """Return the status and code of an error, after checking that it has the fields and headers of every error."""
    body = answer.json()
    sentence = "error" if answer.url.path.startswith("/v2") else "detail"
    assert set(body) == {sentence, "code", "request_id"}, answer.text
    assert body[sentence], answer.text
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, body["code"]


@pytest.fixture(scope="module")
def calls(platform: Platform) -> list[Call]:
    paths = platform.anonymous.get("/openapi.json").json()["paths"]
    return [
        Call(
            method.upper(),
            path,
            tuple(p["name"] for p in about.get("parameters", []) if p["in"] == "path"),
            tuple(p["name"] for p in about.get("parameters", []) if p["in"] == "query"),
            tuple(p["name"] for p in about.get("parameters", []) if p["required"]),
            about.get("x-needs", "not stated"),
        )
        for path, methods in paths.items()
        for method, about in methods.items()
    ]


@pytest.fixture(scope="module")
def objects(client: Client) -> SampleTenant:
    """Objects of the tenant `default`."""
    return create_sample_tenant(client)


@pytest.fixture(scope="module")
def own_objects(stranger: Client) -> SampleTenant:
    """Objects of the stranger's own tenant."""
    return create_sample_tenant(stranger)


def missing_ids(objects: SampleTenant) -> dict[str, Any]:
    """Return an id or name that exists in no tenant, for each object."""
    names = {"file_path": "files/nothing/1.csv", "job_id": "train-job-999999", "prediction_id": 2**62}
    names |= {"predictor_name": "nothing", "tenant_name": "nobody", "tenant_id": str(uuid.UUID(int=0))}
    names |= {"chart_name": "nothing", "schema_name": "silver", "table_name": "nothing", "column_name": "id"}
    return {name: names.get(name, 999_999) for name in objects.ids}


def read_stored_rows(platform: Platform) -> dict[str, list[Any]]:
    """Return every row of every table that a refused call must not change."""
    # These tables also change with refused calls: refusals and failures are logged, and the tests' users log in.
    excluded = ("supervisor_lease", "session", "refresh_token", "login_failures", "audit_event")
    return {name: rows for name, rows in read_all_tables(platform.settings).items() if name not in excluded}


def wait_for_all_jobs(client: Client) -> None:
    """Return when every job of the tenant has ended."""
    for job in client.get("/jobs/list").json()["data"]:
        wait_for_job(client, job["job_id"])


def test_every_route_is_documented(platform: Platform, calls: list[Call]) -> None:
    def endpoints(router: Any) -> Iterator[tuple[str, str]]:
        for route in router.routes:
            # Newer FastAPI keeps an included router as it is, older copies its routes.
            if hasattr(route, "original_router"):
                yield from endpoints(route.original_router)
            # Pages for people are no calls.
            elif hasattr(route, "dependant") and route.path not in PAGES:
                yield from ((method, route.path) for method in route.methods)

    registered = sorted(endpoints(platform.client.app.app))  # type: ignore[attr-defined]
    assert len(registered) == len(calls) > 30
    for (method, path), call in zip(
        sorted(registered, key=lambda r: (r[1][::-1], r[0])),
        sorted(calls, key=lambda c: (c.path[::-1], c.method)),
        strict=True,
    ):
        assert (method, call.path.endswith(path)) == (call.method, True)


def test_every_parameter_is_known_to_these_tests(calls: list[Call]) -> None:
    """A new parameter that names an object has to be added to `IDS`; the other tests then include it."""
    assert {name for call in calls for name in (*call.in_path, *call.in_query)} <= IDS.keys() | OTHER_PARAMETERS


def wrong_tokens(platform: Platform) -> dict[str, tuple[dict[str, str], str]]:
    """Return Authorization headers that every call must refuse, each with the error code of the refusal."""
    key = platform.settings.key_file.read_bytes()
    head = jwt.get_unverified_header(platform.client.headers["Authorization"].removeprefix("Bearer "))

    def encode(claims: dict[str, Any], key: bytes | None, algorithm: str) -> str:
        return jwt.encode(claims, key, algorithm, headers={"kid": head["kid"]})

    good = platform.client.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(good, key, algorithms=["HS256"], audience=AUDIENCE, issuer=ISSUER)
    ago = int(time.time()) - 10
    first, payload, signature = good.split(".")
    tokens = {
        "garbage": ("garbage", "invalid_token"),
        "expired": (encode(claims | {"iat": ago - 60, "exp": ago}, key, "HS256"), "token_expired"),
        "another key": (encode(claims, b"k" * 32, "HS256"), "invalid_token"),
        "alg none": (encode(claims, None, "none"), "invalid_token"),
        "no signature": (f"{first}.{payload}.", "invalid_token"),
        "another signature": (f"{first}.{payload}.{signature[::-1]}", "invalid_token"),
        "no session": (encode(claims | {"sid": "999999"}, key, "HS256"), "session_ended"),
        "another's session": (encode(claims | {"sub": "2"}, key, "HS256"), "session_ended"),
    }
    headers = {name: ({"Authorization": f"Bearer {token}"}, code) for name, (token, code) in tokens.items()}
    basic = {"Authorization": "Basic YWRtaW46YWRtaW4="}
    return headers | {"none": ({}, "missing_token"), "basic": (basic, "missing_token")}


def test_every_call_refuses_invalid_tokens(platform: Platform, calls: list[Call], objects: SampleTenant) -> None:
    tokens = wrong_tokens(platform)
    before = read_stored_rows(platform)
    opened = {}
    for call, (name, (headers, code)) in itertools.product(calls, tokens.items()):
        if call.is_public:
            continue
        answer = RouteCall(call, tuple(objects.ids)).send(platform.anonymous, objects.ids, headers=headers)
        if call.needs == JOB_TOKEN and code != "missing_token":
            code = "invalid_token"  # Such a call refuses every token of a user in the same way.
        if refusal(answer) != (401, code) or answer.headers["www-authenticate"] != "Bearer":
            opened[f"{call} with {name}"] = (answer.status_code, answer.text)
    assert opened == {}
    assert read_stored_rows(platform) == before


def test_public_calls_need_no_token(anonymous: Client, calls: list[Call]) -> None:
    assert {(call.method, call.path) for call in calls} >= PUBLIC_CALLS
    assert anonymous.get("/utils/health-check/").status_code == 200
    assert anonymous.get("/openapi.json").status_code == anonymous.get("/docs").status_code == 200


def test_object_of_another_tenant_is_answered_like_a_missing_one(
    platform: Platform, stranger: Client, calls: list[Call], objects: SampleTenant, own_objects: SampleTenant
) -> None:
    before = read_stored_rows(platform)
    differences, checked = {}, 0
    for route_call, of in object_calls(calls):
        if route_call.call.needs == "platform admin":
            continue  # Other users are refused before the object is looked up.
        answers = [
            route_call.send(stranger, own_objects.ids | {of: other[of]}, headers={"X-Request-ID": "same"})
            for other in (objects.ids, missing_ids(objects))
        ]
        checked += 1
        if refusal(answers[0])[0] != 404 or _bytes(answers[0]) != _bytes(answers[1]):
            differences[f"{route_call.call} {of}"] = [(answer.status_code, answer.text) for answer in answers]
    assert differences == {}
    assert checked > 25
    assert read_stored_rows(platform) == before


def _bytes(answer: Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return answer.status_code, answer.headers.raw, answer.content


def test_same_calls_succeed_with_own_objects(stranger: Client, calls: list[Call], own_objects: SampleTenant) -> None:
    """Show that the 404 of the test above comes from the object and not from the form of the call."""
    checked = {route_call.call for route_call, _ in object_calls(calls) if route_call.call.method == "GET"}
    refused = {}
    for call in checked:
        if call.needs == "platform admin":
            continue
        ids = tuple(IDS[name] for name in call.required if name in IDS) or ("file_id",)
        answer = RouteCall(call, ids).send(stranger, own_objects.ids)
        # No statistics were computed for these datasets, and the model is no forecast: each has a code of its own.
        if answer.status_code not in (200, 202) and answer.json()["code"] not in OTHER_REFUSALS:
            refused[str(call)] = answer.text
    wait_for_all_jobs(stranger)
    assert refused == {}
    assert len(checked) > 10


@pytest.mark.parametrize("invalid_id", INVALID_IDS, ids=repr)
def test_invalid_id_is_refused_and_changes_nothing(
    platform: Platform, client: Client, calls: list[Call], objects: SampleTenant, invalid_id: Any
) -> None:
    before = read_stored_rows(platform)
    found = {}
    for route_call, of in object_calls(calls):
        if invalid_id == "" and of in map(IDS.get, route_call.call.in_path):
            continue  # An empty id in a path makes another path.
        answer = route_call.send(client, objects.ids | {of: invalid_id})
        if refusal(answer)[0] not in (404, 422):
            found[f"{route_call.call} {of}"] = (answer.status_code, answer.text)
    assert found == {}
    assert read_stored_rows(platform) == before


def test_every_path_answers_with_and_without_its_trailing_slash(
    platform: Platform, client: Client, calls: list[Call], objects: SampleTenant
) -> None:
    different = {}
    for call in calls:
        path = call.url(objects.ids)
        answers = [client.request(call.method, p, headers={"X-Request-ID": "same"}) for p in (path, f"{path}/")]
        known = (404,) if call.is_deleting else (200, 401, 409, 422)
        if call.path in VARYING_PATHS:
            is_same = answers[0].status_code == answers[1].status_code == 200
            is_same &= answers[0].headers["content-type"] == answers[1].headers["content-type"]
        else:
            is_same = _bytes(answers[0]) == _bytes(answers[1])
        if answers[0].status_code not in known or not is_same:
            different[str(call)] = [(answer.status_code, answer.text) for answer in answers]
    assert different == {}


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v1",
        "/api/v1/nothing",
        "/api/v1/train/no/such/call",
        "/models/a/predict",
        "/docs/nothing",
        "/v2/x",
    ],
)
def test_unknown_path_is_404(client: Client, anonymous: Client, path: str) -> None:
    for user, method in itertools.product((client, anonymous), METHODS):
        assert refusal(user.request(method, path)) == (404, "not_found")


def test_unsupported_method_is_405(client: Client, calls: list[Call], objects: SampleTenant) -> None:
    wrong = {}
    has = {path: {call.method for call in calls if call.path == path} for path in {call.path for call in calls}}
    for path, method in itertools.product(has, METHODS):
        concrete = path.format(**objects.ids, id=1, ray_job_id="x")
        if any(method in has[other] and _matches(other, concrete) for other in has):
            continue
        answer = client.request(method, concrete)
        if refusal(answer) != (405, "method_not_allowed"):
            wrong[f"{method} {path}"] = (answer.status_code, answer.text)
    assert wrong == {}


def _matches(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template)), path) is not None


def test_every_answer_has_the_security_headers(
    client: Client, anonymous: Client, calls: list[Call], objects: SampleTenant
) -> None:
    wanted = {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
    missing = {}
    for call, user in itertools.product(calls, (client, anonymous)):
        path = call.url(objects.ids)
        answer = user.request(call.method, path, headers={"Origin": "https://example.com"})
        if not wanted.items() <= dict(answer.headers).items() or len(answer.headers.get_list("cache-control")) != 1:
            missing[str(call)] = dict(answer.headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert missing == {}


def test_cross_origin_requests_are_not_allowed(anonymous: Client, calls: list[Call]) -> None:
    asks = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    for path in ("/login/access-token", "/template/list", "/inference"):
        answer = anonymous.request("OPTIONS", path, headers=asks)
        assert refusal(answer) == (405, "method_not_allowed")
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_valid_request_id_is_echoed(client: Client, calls: list[Call], objects: SampleTenant) -> None:
    silent = []
    for call in calls:
        path = call.url(objects.ids)
        answer = client.request(call.method, path, headers={"X-Request-ID": "Mine-1.2_3"})
        if answer.headers.get_list("x-request-id") != ["Mine-1.2_3"]:
            silent.append(str(call))
    assert silent == []


@pytest.mark.parametrize("request_id", ["", "a b", "a" * 65, "a\tb", "<script>", "a,b", b"\xe9"], ids=repr)
def test_invalid_request_id_is_replaced(client: Client, request_id: str | bytes) -> None:
    answer = client.get("/template/0", headers={"X-Request-ID": request_id})
    assert refusal(answer) == (404, "template_not_found")
    assert len(answer.headers["x-request-id"]) == 16


def test_every_route_states_its_required_permission(calls: list[Call]) -> None:
    known = set(Permission) | {"nothing", JOB_TOKEN, "a token", "a token or an API key", "platform admin"}
    known |= {"platform admin or the metrics token"}
    assert {str(call): call.needs for call in calls if call.needs not in known} == {}
    assert {(call.method, call.path) for call in calls if call.needs == "nothing"} == PUBLIC_CALLS


def test_route_without_a_required_permission_stops_the_start() -> None:
    router = APIRouter()

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(RuntimeError, match=r"/forgotten states \[\]"):
        app._with_stated_needs(router)


PERMISSIONS = sorted(set(Permission))


def test_every_permission_is_required_by_a_call(calls: list[Call]) -> None:
    assert sorted({call.needs for call in calls} & set(Permission)) == PERMISSIONS


@pytest.fixture(scope="module", params=PERMISSIONS)
def user_without_permission(request: pytest.FixtureRequest, client: Client) -> tuple[str, Client]:
    """A permission, and a user of the tenant `default` who holds every other permission."""
    return request.param, _user_with(client, set(Permission) - {request.param})


@pytest.fixture(scope="module", params=PERMISSIONS)
def user_with_permission(request: pytest.FixtureRequest, client: Client) -> tuple[str, Client]:
    """A permission, and a user of the tenant `default` who holds no other permission."""
    return request.param, _user_with(client, {request.param})


def _user_with(client: Client, permissions: set[str]) -> Client:
    user = create_user(client, roles=[create_role(client, *permissions)["name"]])
    return log_in(client, user["username"])


def test_call_without_its_permission_is_refused(
    platform: Platform, user_without_permission: tuple[str, Client], calls: list[Call], objects: SampleTenant
) -> None:
    """The object belongs to the user's tenant, and the user holds every other permission."""
    permission, user = user_without_permission
    before = read_stored_rows(platform)
    allowed = {}
    for call in calls:
        if call.needs == permission:
            answer = RouteCall(call, tuple(objects.ids)).send(user, objects.ids)
            if refusal(answer) != (403, "missing_permission"):
                allowed[str(call)] = answer.text
    assert allowed == {}
    assert read_stored_rows(platform) == before


def test_call_needs_only_its_permission(
    user_with_permission: tuple[str, Client], calls: list[Call], objects: SampleTenant
) -> None:
    permission, user = user_with_permission
    refused = {}
    nothing = missing_ids(objects) | {"tenant_id": objects.ids["tenant_id"]}
    for call in calls:
        if call.needs == permission:
            answer = RouteCall(call, tuple(objects.ids)).send(user, nothing)
            # Creating a user also assigns a role, and a user can only assign permissions that they hold.
            if answer.status_code in (401, 403) and answer.json()["code"] != "permission_not_held":
                refused[str(call)] = answer.text
    assert refused == {}


def test_tenant_administrator_cannot_make_platform_calls(
    platform: Platform, stranger: Client, calls: list[Call], objects: SampleTenant, own_objects: SampleTenant
) -> None:
    before = read_stored_rows(platform)
    of_platform = [call for call in calls if call.needs == "platform admin"]
    assert len(of_platform) >= 3
    for call, ids in itertools.product(of_platform, (objects.ids, own_objects.ids)):
        assert refusal(RouteCall(call, tuple(ids)).send(stranger, ids)) == (403, "missing_permission")
    assert read_stored_rows(platform) == before


def test_api_key_is_limited_to_its_permissions(
    platform: Platform, client: Client, calls: list[Call], objects: SampleTenant
) -> None:
    """Calls that need a session or a platform administrator are refused too, though its owner is one."""
    made = client.post("/api-keys", json={"name": "looks", "permissions": ["can_view"]}).json()
    service = Client(client.app, client.portal, {"Authorization": f"Bearer {made['key']}"})
    before = read_stored_rows(platform)
    wrong = {}
    for call in calls:
        answer = RouteCall(call, tuple(objects.ids)).send(service, objects.ids)
        if call.needs in ("can_view", "a token or an API key"):
            good = answer.status_code not in (401, 403)
        elif call.needs == "nothing":
            good = True
        elif call.needs == JOB_TOKEN:
            good = answer.status_code == 401
        else:
            good = answer.status_code == 403 and answer.json()["code"] in ("missing_permission", "session_needed")
        if not good:
            wrong[str(call)] = answer.text
    wait_for_all_jobs(client)
    assert wrong == {}
    # Statistics need only `can_view`, and they change these tables. Nothing else has changed.
    changed = {name for name, rows in read_stored_rows(platform).items() if rows != before[name]}
    assert changed <= {"job", "dataset"}


def test_analyst_can_read_and_predict(analyst: Client, calls: list[Call], objects: SampleTenant) -> None:
    refused = {}
    for call in calls:
        if call.needs not in ("can_view", "can_predict", "can_read_datalake", "a token or an API key"):
            continue
        ids = tuple(IDS[name] for name in call.required if name in IDS) or ("file_id",)
        answer = RouteCall(call, ids).send(analyst, objects.ids)
        if answer.status_code not in (200, 202) and answer.json()["code"] not in OTHER_REFUSALS:
            refused[str(call)] = answer.text
    wait_for_all_jobs(analyst)
    assert refused == {}


JSON_CALLS = [
    "/users/create-user",
    "/rbac/roles",
    "/rbac/permissions",
    "/tenants",
    "/datalake/shares",
    "/api-keys",
    "/template",
    "/train",
    "/train/check",
    "/train/get_details",
    "/train/update",
    "/inference/batchPrediction",
    "/inference/forecast",
    "/inference",
]


@pytest.mark.parametrize("path", JSON_CALLS)
@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b'{"a": NaN}', (422, "invalid_json")),
        (b'{"a": 1e999}', (422, "invalid_json")),
        (b'{"a": 1, "a": 1}', (422, "invalid_json")),
        (b"[" * 65 + b"]" * 65, (422, "invalid_json")),
        (b"[" * 100_000 + b"]" * 100_000, (422, "invalid_json")),
        (b'{"a": "\xff"}', (422, "invalid_json")),
        (b"{", (422, "invalid_json")),
        (b"{}", (422, "invalid_request")),
        (b"[]", (422, "invalid_request")),
        (b"null", (422, "invalid_request")),
        (b'"' + b"a" * MAX_JSON_BYTES + b'"', (413, "body_too_large")),
    ],
    ids=lambda value: repr(value[:16]) if isinstance(value, bytes) else "",
)
def test_every_json_body_is_read_strictly(client: Client, path: str, body: bytes, refused: tuple[int, str]) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert refusal(answer) == refused


@pytest.mark.parametrize("types", [["application/json", "text/plain"], ["text/plain", "application/json"], []])
def test_second_content_type_does_not_bypass_strict_json(client: Client, types: list[str]) -> None:
    headers = [("Content-Type", value) for value in types]
    answer = client.post("/template", content=b'{"template_name": "a", "template_name": "b"}', headers=headers)
    assert refusal(answer) == (422, "invalid_json")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/template", "application/json"),
        ("/template", "text/plain"),
        ("/template", "multipart/form-data; boundary=b"),
        ("/inference", "application/json"),
        ("/login/access-token", "application/x-www-form-urlencoded"),
        ("/login/access-token", "multipart/form-data; boundary=b"),
    ],
)
def test_body_is_read_only_up_to_its_limit(anonymous: Client, path: str, content_type: str) -> None:
    pieces = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal pieces
        for _ in range(100):
            pieces += 1
            yield b"a" * 100_000

    answer = anonymous.post(path, content=body(), headers={"Content-Type": content_type})
    assert refusal(answer) == (413, "body_too_large")
    assert pieces == MAX_JSON_BYTES // 100_000 + 1


def test_answers_contain_no_invalid_json_constants(client: Client, objects: SampleTenant) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    for path in ("/train/list", f"/train/model-summary?train_id={objects.ids['train_id']}", "/dataset/list"):
        json.loads(client.get(path).content, parse_constant=refuse)
