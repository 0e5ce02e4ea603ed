"""The calls of a page as code: what a reader copies to do the same with curl, or with the Python client."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from pprint import pformat
from typing import Any, Final
from urllib.parse import urlencode

from dataml.console.api import Call

_MAX_CALLS: Final = 8
_LINE: Final = 100


def curl(calls: Sequence[Call], origin: str) -> str:
    """Return the calls as commands of a shell, for a server at `origin`."""
    lines = []
    for call in calls[:_MAX_CALLS]:
        url = origin + call.path + (f"?{urlencode(dict(call.query), doseq=True)}" if call.query else "")
        parts = ["curl", "-H", '"Authorization: Bearer $DATAML_API_KEY"']
        if call.method != "GET":
            parts += ["-X", call.method]
        if call.body is not None:
            parts += ["-H", "'Content-Type: application/json'", "-d", shlex.quote(json.dumps(call.body))]
        lines.append(" ".join([*parts, shlex.quote(url)]))
    return "\n".join(lines)


def python(calls: Sequence[Call], origin: str, paths: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the calls as a program with the Python client, for a server at `origin`.

    `paths` are those of the OpenAPI document, which name the operations.
    """
    lines = ["import dataml", "", f"dm = dataml.connect(url={origin!r})"]
    for call in calls[:_MAX_CALLS]:
        for template, operations in paths.items():
            match = _pattern_of(template).fullmatch(call.path)
            if match and call.method.lower() in operations:
                arguments = [*match.groups(), *(f"{name}={value!r}" for name, value in call.query.items())]
                if call.body is not None:
                    arguments.append(f"body={pformat(call.body, width=_LINE, sort_dicts=False)}")
                operation = operations[call.method.lower()]["operationId"]
                lines.append(f"print(dm.api.{operation}({', '.join(arguments)}))")
                break
    return "\n".join(lines)


@cache
def _pattern_of(template: str) -> re.Pattern[str]:
    """Return a pattern of the paths that a path of the OpenAPI document stands for."""
    return re.compile(re.sub(r"\\{[^}]*\\}", "([^/]+)", re.escape(template)))
