"""JSON is strict on the wire."""

from typing import Any

import orjson
import pytest

from dataml.errors import DatamlError, FieldError, Invalid, InvalidFields, TooLarge
from dataml.http.errors import error_body
from dataml.http.headers import client_address
from dataml.http.strict_json import MAX_JSON_BYTES, read_json


def test_json_comes_in_as_it_was_written() -> None:
    assert read_json(b'{"a": [1, 2.5, null, true, "\xc3\xa9"]}') == {"a": [1, 2.5, None, True, "é"]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e309}',
        b'{"a": 1, "a": 2}',
        b'{"b": {"a": 1, "a": 2}}',
        b"\xff\xfe{}",
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        read_json(body)
    assert caught.value.code == "invalid_json"
    assert caught.value.status == 422


def test_sixty_four_levels_are_enough() -> None:
    assert read_json(b"[" * 64 + b"]" * 64)


def test_many_shallow_objects_are_not_deep() -> None:
    assert len(read_json(b"[" + b",".join([b"{}"] * 1000) + b"]")) == 1000


def test_a_body_beyond_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge):
        read_json(b'"' + b"a" * MAX_JSON_BYTES + b'"')


def test_an_error_has_detail_code_and_request_id() -> None:
    body = orjson.loads(error_body(DatamlError("Do it otherwise.", code="a_code"), "r1"))
    assert body == {"detail": "Do it otherwise.", "code": "a_code", "request_id": "r1"}


def test_several_wrong_fields_are_a_list_as_fastapi_writes_them() -> None:
    error = InvalidFields([FieldError(("body", "features", "tenure"), "not a number", "not_an_integer")])
    body = orjson.loads(error_body(error, "r1"))
    assert body["detail"] == [{"type": "not_an_integer", "loc": ["body", "features", "tenure"], "msg": "not a number"}]
    assert body["code"] == "invalid_fields"


def scope(client: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"type": "http", "headers": headers, "client": (client, 1) if client else None}


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, (), "127.0.0.1"),
        (0, ("192.0.2.1",), "127.0.0.1"),
        (1, ("192.0.2.1",), "192.0.2.1"),
        (1, ("203.0.113.9, 192.0.2.1",), "192.0.2.1"),
        (1, ("203.0.113.9", "192.0.2.1"), "192.0.2.1"),
        (1, (), "127.0.0.1"),
        (2, ("203.0.113.9, 192.0.2.1, 198.51.100.1",), "192.0.2.1"),
        (2, ("192.0.2.1",), "192.0.2.1"),
        (1, ("2001:DB8::1",), "2001:db8::1"),
        (1, ("::ffff:192.0.2.1",), "192.0.2.1"),
        (1, ("fe80::1%any text of any length" + "x" * 1000,), "fe80::1"),
        (1, ("not an address",), None),
        (1, ("x" * 10_000,), None),
        (1, (" , ,",), "127.0.0.1"),
    ],
)
def test_an_address_is_what_trusted_proxies_have_added(hops: int, forwarded: tuple[str, ...], address: str) -> None:
    assert client_address(scope("127.0.0.1", *forwarded), hops) == address


def test_a_connection_without_an_address_has_none() -> None:
    assert client_address(scope(None), 0) is None
