"""The rules of the wire that hold for every call: strict JSON in, and the shape of an error going out."""

import ipaddress
import json
import math
import re
import secrets
from typing import Any, NoReturn

import orjson
from starlette.types import Message, Receive, Scope

from dataml.errors import DatamlError, Invalid, InvalidFields, TooLarge

MAX_JSON_BYTES = 1024 * 1024
MAX_JSON_DEPTH = 64
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def read_json(body: bytes) -> Any:
    """Parse strict JSON: no NaN or Infinity, no number beyond a double, no duplicate keys, 1 MiB, 64 levels.

    Raises:
        TooLarge: `body_too_large`.
        Invalid: `invalid_json`, with what is wrong.
    """
    if len(body) > MAX_JSON_BYTES:
        raise TooLarge(f"A JSON body may have {MAX_JSON_BYTES} bytes at most.", code="body_too_large")
    try:
        value = json.loads(body, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise Invalid("The body is not UTF-8.", code="invalid_json") from error
    except json.JSONDecodeError as error:
        raise Invalid(f"The body is not JSON: {error.msg} at position {error.pos}.", code="invalid_json") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        # The interpreter's own limit on the digits of an integer.
        raise Invalid("The body holds a number that is too long.", code="invalid_json") from error
    # Nesting needs a bracket a level: a body with few of them cannot be deep.
    if body.count(b"[") + body.count(b"{") > MAX_JSON_DEPTH and _depth(value) > MAX_JSON_DEPTH:
        raise _too_deep()
    return value


def checked_body(scope: Scope, receive: Receive) -> Receive:
    """A `receive` that hands over the body in one piece, after it has proved small and, where it is JSON, strict. It
    raises what `read_json` raises."""
    # All of them: who sends two must not get past the check with one.
    types = [value.lower() for name, value in scope["headers"] if name == b"content-type"]
    is_json = not types or any(b"json" in value for value in types)
    handed_over = False

    async def checked() -> Message:
        nonlocal handed_over
        if handed_over:
            return await receive()
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return message
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_JSON_BYTES:
                raise TooLarge(f"A body may have {MAX_JSON_BYTES} bytes at most.", code="body_too_large")
        handed_over = True
        if body and is_json:
            read_json(bytes(body))
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return checked


def error_body(error: DatamlError, request_id: str) -> bytes:
    """`{"detail", "code", "request_id"}`; several wrong fields are a list, as FastAPI writes them."""
    detail: Any = error.detail
    if isinstance(error, InvalidFields):
        detail = [{"type": f.code, "loc": list(f.location), "msg": f.message} for f in error.fields]
    return dump_json({"detail": detail, "code": error.code, "request_id": request_id})


def dump_json(value: Any) -> bytes:
    """JSON of any value that `read_json` gives."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # Integers beyond 64 bits and lone surrogates, which JSON has and orjson has not.
        return json.dumps(value, allow_nan=False).encode()


def request_id_of(scope: Scope) -> str:
    """The caller's `X-Request-ID` when it is a sane one, else a new id."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(given := value.decode("latin-1")):
            return given
    return secrets.token_hex(8)


_HEADERS = {
    # Answers are data of one tenant, or tokens: no browser should keep, frame, guess or run them.
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
_DOCS_POLICY = (
    b"default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'unsafe-inline' https://cdn.jsdelivr.net; img-src data: https://fastapi.tiangolo.com; "
    b"connect-src 'self'; worker-src blob:; frame-ancestors 'none'"
)
_DOCS = ("/docs", "/redoc")
_SECURITY_HEADERS = tuple(_HEADERS.items())
_SECURITY_HEADERS_OF_DOCS = tuple((_HEADERS | {b"content-security-policy": _DOCS_POLICY}).items())


def security_headers(path: str) -> tuple[tuple[bytes, bytes], ...]:
    """What every answer tells a browser; the documentation's pages may run the scripts they are made of."""
    return _SECURITY_HEADERS_OF_DOCS if path in _DOCS else _SECURITY_HEADERS


def client_address(scope: Scope, forwarded_hops: int) -> str | None:
    """The address a request came from: that of the connection, or what the outermost of `forwarded_hops` trusted
    proxies has added to `X-Forwarded-For`. What stands before that, the client may have written itself."""
    client = scope.get("client")
    chain = [client[0]] if client else []
    if forwarded_hops:
        given = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        chain = [part.strip() for part in given.decode("latin-1").split(",") if part.strip()] + chain
    if not chain:
        return None
    address = chain[max(0, len(chain) - 1 - forwarded_hops)]
    try:
        # Without the name of an interface, which could be any text.
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    # A socket for both families sees IPv4 clients as ::ffff:192.0.2.1.
    return str(found.ipv4_mapped or found) if found.version == 6 else str(found)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise Invalid(f"The body has the key {twice[:100]!r} twice.", code="invalid_json")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise Invalid(f"The body holds {name}, which is not JSON.", code="invalid_json")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Invalid(f"The number {text[:40]} is out of range.", code="invalid_json")
    return value


def _depth(value: Any) -> int:
    level, deepest = [value], 0
    while level and deepest <= MAX_JSON_DEPTH:
        containers = [v for v in level if isinstance(v, dict | list)]
        if containers:
            deepest += 1
        level = [child for v in containers for child in (v.values() if isinstance(v, dict) else v)]
    return deepest


def _too_deep() -> Invalid:
    return Invalid(f"The body is nested deeper than {MAX_JSON_DEPTH} levels.", code="invalid_json")
