"""Code that calls a model at its own address, to be copied."""

import json
import shlex
from collections.abc import Mapping
from pprint import pformat
from typing import Any, Final

_LINE: Final = 100


def samples(origin: str, path: str, predictor_name: str, body: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (id, title, code) of a shell with curl, the Python client, and Python without it."""
    url = origin + path
    return [
        ("curl", "curl", _curl(url, body)),
        ("client", "Python, with the client", _client(origin, predictor_name, body)),
        ("requests", "Python, without it", _requests(url, body)),
    ]


def _curl(url: str, body: Mapping[str, Any]) -> str:
    sent = shlex.quote(json.dumps(body, ensure_ascii=False))
    lines = [
        f"curl -X POST {shlex.quote(url)}",
        '-H "Authorization: Bearer $DATAML_API_KEY"',
        "-H 'Content-Type: application/json'",
        f"-d {sent}",
    ]
    return " \\\n  ".join(lines)


def _client(origin: str, predictor_name: str, body: Mapping[str, Any]) -> str:
    call = f"predict({_literal(body['features'])})" if "features" in body else f"forecast({body['steps']})"
    lines = [
        "import dataml",
        "",
        "# Without api_key, DATAML_API_KEY of the environment is taken.",
        f"dm = dataml.connect(url={origin!r})",
        f"model = dm.models.get({predictor_name!r})",
        f"print(model.{call})",
    ]
    return "\n".join(lines)


def _requests(url: str, body: Mapping[str, Any]) -> str:
    lines = [
        "import os",
        "",
        "import requests",
        "",
        "answer = requests.post(",
        f"    {url!r},",
        '    headers={"Authorization": f"Bearer {os.environ[\'DATAML_API_KEY\']}"},',
        f"    json={_literal(body)},",
        "    timeout=30,",
        ")",
        "answer.raise_for_status()",
        "print(answer.json())",
    ]
    return "\n".join(lines)


def _literal(value: Any) -> str:
    return pformat(value, width=_LINE, sort_dicts=False)
