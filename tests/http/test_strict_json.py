"""JSON is strict on the wire."""

import pytest

from dataml.errors import Invalid, TooLarge
from dataml.http.strict_json import MAX_JSON_BYTES, dump_json, read_json


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


@pytest.mark.parametrize("body", [b'{"a":12345678901234567890123}', b'{"a":"\\ud800"}', b'{"a":[1,2.5,null]}'])
def test_every_value_that_is_read_can_be_written(body: bytes) -> None:
    assert read_json(dump_json(read_json(body))) == read_json(body)
