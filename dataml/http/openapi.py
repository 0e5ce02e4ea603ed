"""The OpenAPI document: what FastAPI derives from the routes, completed in one place.

Each operation gets the errors that it can answer, derived from what it needs and takes. Bodies that FastAPI does not
read, and whose routes describe them, become schemas by their names, as those that it reads are.
"""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from dataml.http.headers import PROBLEM_JSON
from dataml.http.open_inference import OpenInferenceError, is_open_inference

SCHEMA_REF: Final = "#/components/schemas/{model}"
"""`ref_template` of Pydantic, with which its schemas refer to those of the document."""

Json = dict[str, Any]
_NOBODY: Final = "nothing"
_JOB_TOKEN: Final = "a job's token"
BINARY: Final[Json] = {"schema": {"type": "string", "format": "binary"}}
"""The content of an answer that is a file."""

_PAGING: Final = frozenset({"limit", "offset"})
_OWNERS: Final = frozenset({"user_id", "tenant_id"})
"""Parameters of lists that say whose list it is, where it is not the caller's own."""
_MAKES_FROM_NOTHING: Final = frozenset({"create_api_key", "create_template", "create_tenant", "infer_template"})
"""Calls whose body or parameters name nothing that has to exist."""
# FastAPI's own schemas of a 422, which `Error` replaces.
_REPLACED: Final = ("HTTPValidationError", "ValidationError")


class WrongField(BaseModel):
    """One wrong field of a request."""

    type: str = Field(description="Code of the rule that the field breaks.")
    loc: list[str | int] = Field(description="Where it is, such as `body`, `columns`, `0`, `column_name`.")
    msg: str = Field(description="What is wrong, as a sentence.")


class Error(BaseModel):
    """A refused call."""

    detail: str | list[WrongField] = Field(
        description="What is wrong and what to do, as a sentence; a list where fields of the request are wrong."
    )
    code: str = Field(description="Stable code of the error, for programs.", examples=["dataset_not_found"])
    request_id: str = Field(description="The id of the request, as in the header `X-Request-ID` and in the logs.")


class Problem(BaseModel):
    """A refused call, as RFC 9457 has it: for callers that send `Accept: application/problem+json`."""

    type: str = Field(description="The code as a URN.", examples=["urn:dataml:error:dataset_not_found"])
    title: str = Field(description="The code in words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What is wrong and what to do, as a sentence.")
    instance: str = Field(description="The path of the call.")
    code: str = Field(description="Stable code of the error, for programs.", examples=["dataset_not_found"])
    request_id: str = Field(description="The id of the request, as in the header `X-Request-ID` and in the logs.")
    errors: list[WrongField] = Field(default_factory=list, description="The wrong fields of the request, if any.")


_ERRORS: Final = {
    400: "The body cannot be read.",
    401: "There is no valid token, or the login is wrong.",
    403: "The caller may not do this.",
    404: "There is no such thing in the tenant.",
    409: "The state of something else is in the way.",
    413: "The body is larger than it may be.",
    415: "The body is of a type that the call does not take.",
    422: "A value is wrong.",
    429: "There were too many calls; wait.",
    503: "A part of the platform is away for the moment.",
    507: "There is too little space; nothing was changed.",
}
"""What an error says, by its status."""

_WITH_RETRY: Final = (429, 503, 507)
_RETRY_AFTER: Final = {
    "description": "Seconds to wait before the call is sent again.",
    "schema": {"type": "integer", "minimum": 0},
}
_WWW_AUTHENTICATE: Final = {"description": "How to authenticate: `Bearer`.", "schema": {"type": "string"}}

_TAGS: Final = {
    "Login": "Sessions: log in, refresh, log out, passwords.",
    "User": "The users of a tenant.",
    "RBAC": "Roles and permissions.",
    "Tenant": "Tenants, for administrators of the platform.",
    "API keys": "Keys of programs, which stand for a user with some of their permissions.",
    "Template": "Templates say which columns a file has, of which types, and what their values may be.",
    "Dataset": "Datasets: upload, validation, rows, statistics, wrong cells.",
    "File": "The files of datasets, and the results of batch predictions.",
    "Train": "Trainings and their models: metrics, reports, explanations, exports.",
    "Predictors": "Predictors: which version answers, aliases, promotion, roll-back, split traffic.",
    "Inference": "Predictions and forecasts, in real time and in batch.",
    "Open inference": "The Open Inference Protocol (KServe v2), for clients of Triton, MLServer and KServe.",
    "Endpoints": "Deployments of single predictors.",
    "Datalake": "Schemas and tables of the lake.",
    "Jobs": "Long operations: state, progress, results of workers outside the cluster.",
    "Utils": "The health check.",
    "Ray": "Jobs as Ray runs them.",
    "Audit": "The audit log: who has changed what.",
}
"""What the calls of a tag are about."""


class Application(FastAPI):
    """A FastAPI application whose operations are named as their functions are, and declare their errors."""

    def __init__(self, **options: Any) -> None:
        tags = [{"name": name, "description": text} for name, text in _TAGS.items()]
        super().__init__(openapi_tags=tags, generate_unique_id_function=_operation_id, **options)

    def openapi(self) -> Json:
        """Return the OpenAPI document."""
        document = super().openapi()
        # FastAPI makes it once.
        if "responses" not in document["components"]:
            complete(document)
        return document


def _operation_id(route: APIRoute) -> str:
    return route.name


def complete(document: Json) -> None:
    """Add to a document of FastAPI what it does not derive: errors, named bodies, internal calls.

    Raises:
        RuntimeError: two schemas have one name.
    """
    schemas: Json = document["components"]["schemas"]
    for name in _REPLACED:
        schemas.pop(name, None)
    responses: Json = {_response_name(status, Error): _response(status, Error) for status in _ERRORS}
    document["components"]["responses"] = responses
    for model in (Error, Problem):
        _add_schema(schemas, model.model_json_schema(ref_template=SCHEMA_REF))
    for path, method, operation in _operations(document):
        _name_bodies(schemas, operation)
        model = OpenInferenceError if is_open_inference(path) else Error
        statuses = _error_statuses(method, operation)
        if model is not Error:
            _add_schema(schemas, model.model_json_schema(ref_template=SCHEMA_REF))
            responses |= {_response_name(status, model): _response(status, model) for status in statuses}
        errors = {str(status): _response_ref(status, model) for status in statuses}
        _leave_out_schema_of_events(operation)
        operation["responses"] = dict(sorted((operation["responses"] | errors).items()))
        if operation["x-needs"] == _JOB_TOKEN:
            operation["x-internal"] = True


def _leave_out_schema_of_events(operation: Json) -> None:
    # A schema would describe each event, as a text; OpenAPI 3.1 has no words for events.
    for answer in operation["responses"].values():
        if "text/event-stream" in answer.get("content", {}):
            answer["content"]["text/event-stream"] = {}


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _name_bodies(schemas: Json, operation: Json) -> None:
    """Move the schemas of bodies that are written out where they are used to those with a name."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if media["schema"].get("type") == "object":
            media["schema"] = _add_schema(schemas, media["schema"])
        # A body that may be left out: FastAPI says that it may also be `null`.
        for option in media["schema"].get("anyOf", ()):
            if "$ref" in option:
                media["schema"] = option


def _add_schema(schemas: Json, schema: Json) -> Json:
    """Add a schema under its title, with those that it brings along, and return the reference to it."""
    own = {key: value for key, value in schema.items() if key != "$defs"}
    for name, added in {**schema.get("$defs", {}), own["title"]: own}.items():
        if schemas.setdefault(name, added) != added:
            raise RuntimeError(f"two schemas have the name {name}")
    return {"$ref": SCHEMA_REF.format(model=own["title"])}


def _error_statuses(method: str, operation: Json) -> list[int]:
    """Return the statuses of the errors that a call can answer, by what it needs and takes."""
    has_caller = operation["x-needs"] != _NOBODY
    has_body = "requestBody" in operation
    depends_on_state = has_caller and (has_body or _names_something(operation))
    can_occur = {
        400: has_body,
        401: has_caller or has_body,
        403: has_caller,
        404: depends_on_state and operation.get("operationId") not in _MAKES_FROM_NOTHING,
        409: depends_on_state,
        413: has_body,
        415: has_body,
        422: True,
        429: has_caller or has_body,
        503: True,
        507: method != "get",
    }
    return [status for status, can in can_occur.items() if can]


def _names_something(operation: Json) -> bool:
    """Return whether parameters name something that has to exist; a filter of a list, which has pages, does not."""
    parameters = operation.get("parameters", ())
    if not any(p["name"] in _PAGING for p in parameters):
        return bool(parameters)
    return any(p["required"] or p["name"] in _OWNERS for p in parameters)


def _response_name(status: int, model: type[BaseModel]) -> str:
    return f"{model.__name__}{status}"


def _response_ref(status: int, model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/responses/{_response_name(status, model)}"}


def _response(status: int, model: type[BaseModel]) -> Json:
    """Return an error by its status; `model` is its JSON where the caller does not ask for a problem."""
    # Generators that read one type only take the first.
    models = {"application/json": model, PROBLEM_JSON: Problem}
    content = {media: {"schema": {"$ref": SCHEMA_REF.format(model=each.__name__)}} for media, each in models.items()}
    headers: Json = {"Retry-After": _RETRY_AFTER} if status in _WITH_RETRY else {}
    if status == 401:
        headers = {"WWW-Authenticate": _WWW_AUTHENTICATE}
    return {"description": _ERRORS[status], "content": content} | ({"headers": headers} if headers else {})
