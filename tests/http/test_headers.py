"""Headers of requests are believed as far as they can be, and answers tell browsers what they must not do."""

from typing import Any

import pytest

from dataml.http.headers import client_address, request_id_of, security_headers


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


@pytest.mark.parametrize("given", ["a-request.1", "A" * 64])
def test_a_well_formed_request_id_is_kept(given: str) -> None:
    assert request_id_of({"type": "http", "headers": [(b"x-request-id", given.encode())]}) == given


@pytest.mark.parametrize("given", ["", "A" * 65, "two words", "line\nbreak", "\u00fc"])
def test_any_other_request_id_is_replaced(given: str) -> None:
    request_id = request_id_of({"type": "http", "headers": [(b"x-request-id", given.encode())]})
    assert request_id != given
    assert len(request_id) == 16


def test_only_the_documentation_may_run_scripts() -> None:
    policies = {path: dict(security_headers(path))[b"content-security-policy"] for path in ("/docs", "/api/v1/train")}
    assert b"script-src" in policies["/docs"]
    assert b"script-src" not in policies["/api/v1/train"]
