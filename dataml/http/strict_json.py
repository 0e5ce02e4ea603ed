"""Strict JSON: how bodies are read, and how answers are written."""

import json
import math
from typing import Any, Final, NoReturn

import orjson

from dataml.errors import Invalid, TooLarge

MAX_JSON_BYTES = 1024 * 1024
MAX_JSON_DEPTH = 64


def read_json(body: bytes, *, takes_nan: bool = False) -> Any:
    """Parse strict JSON: no NaN or Infinity, no number beyond a double, no duplicate keys, 1 MiB, 64 levels.

    Args:
        body: the JSON.
        takes_nan: whether the tokens NaN, Infinity and -Infinity are numbers, for protocols whose clients write them.

    Raises:
        TooLarge: `body_too_large`.
        Invalid: `invalid_json`, with what is wrong.
    """
    if len(body) > MAX_JSON_BYTES:
        raise TooLarge(f"A JSON body may have {MAX_JSON_BYTES} bytes at most.", code="body_too_large")
    decoder = _NAN_DECODER if takes_nan else _DECODER
    try:
        value = decoder.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
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


def dump_json(value: Any) -> bytes:
    """Return a value as JSON; every value that `read_json` returns can be written."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # Integers beyond 64 bits and lone surrogates, which JSON has and orjson has not.
        return json.dumps(value, allow_nan=False).encode()


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


# `json.loads` would make a decoder for each body.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
_NAN_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=float, parse_float=_finite)


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
