"""Who fails to log in too often has to wait; the owner of an account does not wait for long."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from httpx import Response

from dataml.access import throttle
from dataml.access.tokens import TokenKeys
from dataml.app import Services, create_app
from dataml.db.session import Database
from dataml.runner.result_handlers import RESULT_HANDLERS
from dataml.settings import Settings
from tests.client import PASSWORD, Client
from tests.conftest import NewHome, Platform
from tests.sample_tenant import create_user

FAILURES = 3
OF_ADDRESS = 12


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(login_failures=FAILURES, address_login_failures=OF_ADDRESS, forwarded_hops=1)


@pytest.fixture
def username(client: Client) -> str:
    return create_user(client)["username"]


_addresses = iter(f"192.0.2.{number}" for number in range(1, 255))


@pytest.fixture
def address() -> str:
    """An address that nothing has come from yet."""
    return next(_addresses)


def login(client: Client, username: str, address: str, password: str = "not the password") -> Response:
    form = {"username": username, "password": password}
    return client.post("/login/access-token", data=form, headers={"X-Forwarded-For": f"10.9.8.7, {address}"})


def fail(client: Client, username: str, address: str, times: int = FAILURES) -> None:
    for _ in range(times):
        assert login(client, username, address).status_code == 401


@contextmanager
def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(throttle, "utc_now", lambda: datetime.now(UTC) + by)
        yield


def test_account_is_throttled_after_too_many_failures(
    anonymous: Client, username: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(anonymous, username, address)
    for password in ("another", PASSWORD):  # A right one is not looked at either: it would tell.
        answer = login(anonymous, username, address, password)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_logins")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    with later(monkeypatch, timedelta(seconds=61)):
        assert login(anonymous, username, address, PASSWORD).status_code == 200


def test_unknown_username_is_throttled_like_a_known_one(anonymous: Client, address: str) -> None:
    fail(anonymous, "nobody at all", address)
    assert login(anonymous, "nobody at all", address).status_code == 429


def test_spellings_of_a_username_count_together(anonymous: Client, username: str, address: str) -> None:
    for spelling in (username, username.upper(), f" {username} "):
        fail(anonymous, spelling, address, 1)
    assert login(anonymous, username, address).status_code == 429


def test_failures_of_an_account_count_over_all_addresses(anonymous: Client, username: str) -> None:
    for _ in range(FAILURES):
        fail(anonymous, username, next(_addresses), 1)
    assert login(anonymous, username, next(_addresses), PASSWORD).status_code == 429


def test_owner_can_log_in_from_a_known_address(anonymous: Client, username: str, address: str) -> None:
    assert login(anonymous, username, address, PASSWORD).status_code == 200
    fail(anonymous, username, next(_addresses))
    assert login(anonymous, username, next(_addresses), PASSWORD).status_code == 429
    assert login(anonymous, username, address, PASSWORD).status_code == 200
    fail(anonymous, username, address)
    assert login(anonymous, username, address, PASSWORD).status_code == 429


def test_successful_login_resets_the_count(anonymous: Client, username: str, address: str) -> None:
    for _ in range(3):
        fail(anonymous, username, address, FAILURES - 1)
        assert login(anonymous, username, address, PASSWORD).status_code == 200


def test_address_that_tries_many_accounts_is_throttled(anonymous: Client, client: Client, address: str) -> None:
    for number in range(OF_ADDRESS):
        fail(anonymous, f"name-{number}", address, 1)
    answer = login(anonymous, create_user(client)["username"], address, PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_logins")
    assert login(anonymous, create_user(client)["username"], next(_addresses), PASSWORD).status_code == 200


def test_addresses_of_one_ipv6_network_count_together(anonymous: Client) -> None:
    for number in range(OF_ADDRESS):
        fail(anonymous, f"name-six-{number}", f"2001:db8:1:2::{number:x}", 1)
    assert login(anonymous, "name-six", "2001:db8:1:2:ffff::1").status_code == 429
    assert login(anonymous, "name-six", "2001:db8:1:3::1").status_code == 401


def test_ipv4_mapped_addresses_count_separately(anonymous: Client) -> None:
    for number in range(OF_ADDRESS):
        fail(anonymous, f"name-mapped-{number}", "::ffff:198.51.100.7", 1)
    assert login(anonymous, "name-mapped", "198.51.100.7").status_code == 429
    assert login(anonymous, "name-mapped", "::ffff:203.0.113.200").status_code == 401


def test_known_address_includes_its_ipv6_network(anonymous: Client, username: str) -> None:
    assert login(anonymous, username, "2001:db8:5::1", PASSWORD).status_code == 200
    fail(anonymous, username, next(_addresses))
    assert login(anonymous, username, "2001:db8:5::2", PASSWORD).status_code == 200
    assert login(anonymous, username, "2001:db8:6::2", PASSWORD).status_code == 429


def test_forwarded_address_from_an_untrusted_client_is_ignored(anonymous: Client, address: str) -> None:
    for number in range(OF_ADDRESS):
        form = {"username": f"name-forged-{number}", "password": "not the password"}
        header = f"203.0.113.{number}, {address}"
        anonymous.post("/login/access-token", data=form, headers={"X-Forwarded-For": header})
    assert login(anonymous, "name-forged", address).status_code == 429


def test_simultaneous_logins_do_not_exceed_the_limit(anonymous: Client, username: str, address: str) -> None:
    async def storm() -> list[Response]:
        form = {"username": username, "password": "not the password"}
        header = {"X-Forwarded-For": address}
        asked = (anonymous._client.post("/api/v1/login/access-token", data=form, headers=header) for _ in range(30))
        return await asyncio.gather(*asked)

    codes = [answer.status_code for answer in anonymous.portal.call(storm)]
    assert set(codes) == {401, 429}
    # Two are looked at side by side.
    assert FAILURES <= codes.count(401) <= FAILURES + 1


def test_failures_count_over_all_replicas(platform: Platform, anonymous: Client, username: str, address: str) -> None:
    database = Database(platform.settings)
    keys = TokenKeys.load(platform.settings.key_file)
    app = create_app(Services(platform.settings, database, keys, None, None, RESULT_HANDLERS))  # type: ignore[arg-type]
    replica = Client(app, anonymous.portal)
    fail(anonymous, username, address, FAILURES - 1)
    fail(replica, username, address, 1)
    for client in (anonymous, replica):
        assert login(client, username, address, PASSWORD).status_code == 429
    anonymous.portal.call(database.close)


def test_password_guesses_with_a_session_are_throttled(anonymous: Client, username: str, address: str) -> None:
    token = login(anonymous, username, address, PASSWORD).json()["access_token"]
    thief = Client(anonymous.app, anonymous.portal, {"Authorization": f"Bearer {token}", "X-Forwarded-For": address})
    body = {"user_name": username, "new_password": "a password of the thief"}
    codes = [
        thief.post("/reset-password", json=body | {"current_password": guess}).status_code
        for guess in ("first guess", "second guess", "third guess", PASSWORD)
    ]
    assert codes == [403] * FAILURES + [429]
