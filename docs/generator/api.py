"""Writes the reference of the HTTP API, a page a feature, from the application's OpenAPI description."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final
from unittest.mock import Mock

from dataml.app import create_app
from dataml.settings import Settings

PREFIX: Final = "/api/v1"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_LIMITS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}

Json = dict[str, Any]


@cache
def openapi() -> Json:
    """Return the OpenAPI description of the application, made without a database and without a home."""
    # Routes use the services when they are called, and none is called here.
    application: Any = create_app(Mock(settings=Settings.model_construct()))
    while not hasattr(application, "openapi"):
        application = application.app
    return application.openapi()


def operations() -> Iterator[tuple[str, str, Json]]:
    """Yield method, path and description of every call."""
    for path, methods in openapi()["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield method.upper(), path, methods[method]


def pages() -> dict[str, str]:
    """Return the Markdown of each page by its file name under `reference/api/`."""
    features: dict[str, list[tuple[str, str, Json]]] = {}
    for method, path, operation in operations():
        features.setdefault(operation["tags"][0], []).append((method, path, operation))
    pages = {f"{_file(tag)}.md": _feature_page(tag, calls) for tag, calls in features.items()}
    return {"index.md": _index(features)} | pages


def _file(tag: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", tag.lower())


def _anchor(method: str, path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{method} {path.removeprefix(PREFIX)}".lower()).strip("-")


def _index(features: dict[str, list[tuple[str, str, Json]]]) -> str:
    lines = [
        "# HTTP API",
        "",
        f"All paths are under `{PREFIX}`, except `/models/…`, `/v2…` and `/metrics`. A running platform shows",
        "the same calls at `/docs`, where they can be tried, and at `/openapi.json`, for tools.",
        "",
        "- Send `Authorization: Bearer TOKEN` with each call: the access token of a login, or an API key.",
        "- Bodies are JSON unless the call says otherwise. Unknown fields are refused.",
        "- Lists take `limit` (1 to 1,000; default 100) and `offset`.",
        "- An error has `detail`, `code` and `request_id`; see [Error codes](../errors.md).",
        "- Every answer has the header `X-Request-ID`: the one that the request had, or a new one.",
        "- A path may end with a slash.",
    ]
    for tag, calls in features.items():
        lines += ["", f"## {tag}", "", "| call | what it does |", "|---|---|"]
        for method, path, operation in calls:
            link = f"[`{method} {path.removeprefix(PREFIX)}`]({_file(tag)}.md#{_anchor(method, path)})"
            lines.append(f"| {link} | {_cell(_first_sentence(operation.get('description', '')))} |")
    return "\n".join(lines)


def _feature_page(tag: str, calls: list[tuple[str, str, Json]]) -> str:
    lines = [f"# {tag}", ""]
    names: dict[str, None] = {}
    for method, path, operation in calls:
        lines += _call(method, path, operation, names)
    lines += ["## Objects", ""]
    shown: set[str] = set()
    while waiting := [name for name in names if name not in shown]:
        for name in waiting:
            shown.add(name)
            lines += _object(name, names)
    return "\n".join(lines)


def _call(method: str, path: str, operation: Json, names: dict[str, None]) -> list[str]:
    lines = [f"## `{method} {path.removeprefix(PREFIX)}` {{#{_anchor(method, path)}}}", ""]
    lines += [operation.get("description", ""), "", f"**Needs:** {_needs(operation['x-needs'])}", ""]
    if operation.get("parameters"):
        lines += ["| parameter | in | type | description |", "|---|---|---|---|"]
        lines += [_parameter(parameter, names) for parameter in operation["parameters"]]
        lines.append("")
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        lines += _body(media, body["schema"], names)
    for status, answer in operation["responses"].items():
        if int(status) < 300:
            lines += [_answer(status, answer, names), ""]
    return lines


def _needs(needs: str) -> str:
    return f"`{needs}`" if needs.startswith("can_") else needs


def _parameter(parameter: Json, names: dict[str, None]) -> str:
    schema = parameter["schema"]
    required = ", required" if parameter.get("required") else ""
    text = _describe(parameter.get("description") or schema.get("description", ""), schema)
    return f"| `{parameter['name']}` | {parameter['in']}{required} | {_type(schema, names)} | {_cell(text)} |"


def _body(media: str, schema: Json, names: dict[str, None]) -> list[str]:
    if "$ref" in schema and not _name(schema["$ref"]).startswith("Body_"):
        return [f"**Body** (`{media}`): {_type(schema, names)}", ""]
    resolved = _resolve(schema)
    return [f"**Body** (`{media}`):", "", *_fields(resolved, names), ""]


def _answer(status: str, answer: Json, names: dict[str, None]) -> str:
    kinds = []
    for media, content in answer.get("content", {}).items():
        kinds.append(_type(content["schema"], names) if content.get("schema") else f"`{media}`")
    text = answer.get("description", "")
    text = "" if text == "Successful Response" else f" {text}"
    return f"**Answers** {status}: {' or '.join(kinds) or 'nothing'}.{text}"


def _object(name: str, names: dict[str, None]) -> list[str]:
    schema = openapi()["components"]["schemas"][name]
    lines = [f"### {_short(name)} {{#{_short(name)}}}", ""]
    if schema.get("description"):
        lines += [schema["description"], ""]
    if "enum" in schema:
        return [*lines, "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".", ""]
    return [*lines, *_fields(schema, names), "", *_example(schema)]


def _example(schema: Json) -> list[str]:
    """Return the example of a body, which a schema of an answer does not have."""
    if not schema.get("examples"):
        return []
    return ["An example:", "", "```json", json.dumps(schema["examples"][0], indent=2), "```", ""]


def _fields(schema: Json, names: dict[str, None]) -> list[str]:
    required = set(schema.get("required", ()))
    lines = ["| field | type | description |", "|---|---|---|"]
    for name, field in schema.get("properties", {}).items():
        kind = _type(field, names) + (", required" if name in required else "")
        lines.append(f"| `{name}` | {kind} | {_cell(_describe(field.get('description', ''), field))} |")
    return lines if len(lines) > 2 else ["Any fields."]


def _describe(text: str, schema: Json) -> str:
    """Return the description of a value with its limits and its default."""
    parts = [text] if text else []
    for each in [schema, *schema.get("anyOf", ())]:
        limits = [words.format(f"{each[key]:,}") for key, words in _LIMITS.items() if each.get(key) is not None]
        if limits:
            parts.append(f"{', '.join(limits).capitalize()}.")
        if each.get("pattern"):
            parts.append(f"Pattern `{each['pattern']}`.")
    if schema.get("default") is not None:
        parts.append(f"Default: `{_literal(schema['default'])}`.")
    return " ".join(parts)


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(schema: Json, names: dict[str, None]) -> str:
    if "$ref" in schema:
        name = _name(schema["$ref"])
        names.setdefault(name)
        return f"[{_short(name)}](#{_short(name)})"
    if "anyOf" in schema or "oneOf" in schema:
        options = schema.get("anyOf") or schema["oneOf"]
        return " or ".join(dict.fromkeys(_type(option, names) for option in options))
    if "allOf" in schema:
        return _type(schema["allOf"][0], names)
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), names)}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'], names)}"
    return _plain_type(schema)


def _plain_type(schema: Json) -> str:
    formats = {"binary": "file", "date-time": "date and time"}
    return formats.get(schema.get("format", "")) or schema.get("type", "any value")


def _resolve(schema: Json) -> Json:
    return openapi()["components"]["schemas"][_name(schema["$ref"])] if "$ref" in schema else schema


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _short(name: str) -> str:
    """Return a schema's name without the module that FastAPI puts before one of two with the same name."""
    return name.rpartition("__")[2]


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.)\s", text.strip(), maxsplit=1)[0]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
