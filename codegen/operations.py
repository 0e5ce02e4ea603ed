"""A method for each operation of an OpenAPI document."""

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from codegen.schemas import Json, SchemaWriter, docstring

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_FILES: Final = "multipart/form-data"
_OCTETS: Final = "application/octet-stream"
_KEY: Final = "idempotency-key"
_HEADER: Final = '''\
# Generated from the OpenAPI document by `make client`: change the platform's routes.
"""Every call of the API as a method, by its operation id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from dataml.client.aio.transport import new_idempotency_key

if TYPE_CHECKING:
    from dataml.client import schemas
    from dataml.client.aio.transport import Transport
    from dataml.client.multipart import FilePart, ReportBytes


class Operations:
    """The calls of one platform; each raises `ApiError` when it is refused, and `NotConnected` without an answer."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
'''


@dataclass(frozen=True)
class Parameter:
    """A parameter of a method; `sent` is its name in the request."""

    name: str
    sent: str
    annotation: str
    is_required: bool
    description: str


@dataclass(frozen=True)
class Answer:
    """What a method returns: JSON, text or bytes; `query` is what asks for it, `suffix` ends the method's name."""

    annotation: str
    kind: str = "json"
    suffix: str = ""
    query: tuple[tuple[str, str], ...] = ()


def operations_module(document: Json, schemas: SchemaWriter) -> str:
    """Return the module with a method for each operation, in the order of the document."""
    methods: dict[str, str] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                for name, lines in _methods(path, method, item[method], schemas):
                    if name in methods:
                        raise ValueError(f"two operations are named {name}")
                    methods[name] = lines
    return "\n".join([_HEADER, *methods.values()])


def _methods(path: str, method: str, operation: Json, schemas: SchemaWriter) -> Iterator[tuple[str, str]]:
    name = operation["operationId"]
    for answer in _answers(operation, schemas, name):
        full_name = f"{name}_{answer.suffix}" if answer.suffix else name
        yield full_name, _method(full_name, path, method, operation, answer, schemas)


def _method(name: str, path: str, method: str, operation: Json, answer: Answer, schemas: SchemaWriter) -> str:
    asked = dict(answer.query)
    declared = list(_parameters(operation, schemas))
    in_path = [each for place, each in declared if place == "path"]
    in_query = [each for place, each in declared if place == "query" and each.sent not in asked]
    has_key = any(place == "header" and each.sent.lower() == _KEY for place, each in declared)
    kind, body, body_required = _body(operation, schemas, name)
    signature = ["self", *(f"{each.name}: {each.annotation}" for each in in_path)]
    arguments = {each.name: each.description or "As the path has it." for each in in_path}
    sent = [f'"{method.upper()}"', _path(path, in_path)]
    if kind == "files":
        sent = [_path(path, in_path), "files"]
        signature.append("files: Sequence[FilePart]" + ("" if body_required else " = ()"))
        arguments["files"] = "What is uploaded."
    elif kind:
        arguments["body"] = "What is sent, as JSON." if kind == "json" else "What is sent, as a form."
        signature.append(f"body: {body}" if body_required else f"body: {body} | None = None")
        sent.append("body=body" if kind == "json" else "form=body")
    signature += ["*"] if in_query or kind == "files" or has_key else []
    for each in sorted(in_query, key=lambda each: not each.is_required):
        signature.append(f"{each.name}: {each.annotation}" + ("" if each.is_required else " = None"))
        arguments[each.name] = each.description or "As the query has it."
    query = [*(f'"{each.sent}": {each.name}' for each in in_query), *(f'"{k}": "{v}"' for k, v in answer.query)]
    sent += [f"query={{{', '.join(query)}}}"] if query else []
    if has_key:
        signature.append("idempotency_key: str | None = None")
        arguments["idempotency_key"] = "A second call with the same key makes no second thing; a new key by default."
        sent.append("idempotency_key=idempotency_key or new_idempotency_key()")
    if kind == "files":
        signature.append("report_bytes: ReportBytes | None = None")
        arguments["report_bytes"] = "Called with the bytes sent so far, and of all."
        sent.append("report_bytes=report_bytes")
    sent += [f'answer="{answer.kind}"'] if answer.kind != "json" else []
    sent += ["signed=False"] if "security" in operation and not operation["security"] else []
    call = "upload" if kind == "files" else "call"
    text = operation.get("description") or operation.get("summary") or name
    return "\n".join(
        [
            f"    async def {name}({', '.join(signature)}) -> {answer.annotation}:",
            *docstring(text, "        ", arguments),
            f"        return await self._transport.{call}({', '.join(sent)})",
            "",
        ]
    )


def _path(path: str, parameters: list[Parameter]) -> str:
    if not parameters:
        return f'"{path}"'
    for each in parameters:
        path = path.replace(f"{{{each.sent}}}", f"{{quote(str({each.name}), safe='')}}")
    return f'f"{path}"'


def _parameters(operation: Json, schemas: SchemaWriter) -> Iterator[tuple[str, Parameter]]:
    for each in operation.get("parameters", ()):
        annotation = schemas.annotation(each.get("schema", {}), prefix="schemas.")
        is_required = each.get("required", False)
        if not is_required and "None" not in annotation.split(" | ") and annotation != "Any":
            annotation += " | None"
        sent = each["name"]
        name = re.sub(r"\W", "_", sent)
        name = name + "_" if keyword.iskeyword(name) else name
        yield each["in"], Parameter(name, sent, annotation, is_required, each.get("description", ""))


def _body(operation: Json, schemas: SchemaWriter, name: str) -> tuple[str, str, bool]:
    """Return the kind of the body (json, form, files, or nothing), its annotation, and whether it is needed."""
    body = operation.get("requestBody")
    if body is None:
        return "", "", False
    content = body["content"]
    if _FILES in content:
        schema = content[_FILES].get("schema", {})
        return "files", "", bool(body.get("required") and "files" in schema.get("required", ()))
    kind = "json" if _JSON in content else "form"
    schema = content[_JSON if kind == "json" else _FORM]["schema"]
    title = "".join(word.capitalize() for word in name.split("_")) + "Body"
    is_required = body.get("required", False)
    return kind, schemas.annotation(schema, prefix="schemas.", name=title), is_required


def _answers(operation: Json, schemas: SchemaWriter, name: str) -> Iterator[Answer]:
    status = min(status for status in operation["responses"] if status.startswith("2"))
    content: dict[str, Any] = operation["responses"][status].get("content", {})
    if _JSON in content:
        title = "".join(word.capitalize() for word in name.split("_")) + "Answer"
        yield Answer(schemas.annotation(content[_JSON].get("schema", {}), prefix="schemas.", name=title))
    if _JSON not in content:
        is_text = bool(content) and all(media_type.startswith("text/") for media_type in content)
        yield Answer("str", "text") if is_text else Answer("bytes", "bytes")
        return
    for media_type in content:
        # Bytes in place of JSON are for clients that ask for them in a way of their own.
        if media_type not in (_JSON, _OCTETS):
            suffix = re.sub(r"\W", "_", media_type.rpartition("/")[2])
            kind = ("str", "text") if media_type.startswith("text/") else ("bytes", "bytes")
            yield Answer(*kind, suffix, (("format", suffix),) if _takes_format(operation) else ())


def _takes_format(operation: Json) -> bool:
    return any(each["name"] == "format" and each["in"] == "query" for each in operation.get("parameters", ()))
