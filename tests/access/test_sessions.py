"""How a session lives on its refresh tokens, and what ends it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from dataml.access import sessions, users
from dataml.access.passwords import hash_password
from dataml.access.permissions import BuiltinRole
from dataml.access.tokens import TokenKeys
from dataml.db.session import Database
from tests.client import PASSWORD, Client
from tests.conftest import Platform, log_in
from tests.database import execute_sql
from tests.sample_tenant import create_user


def tokens(client: Client, username: str = "analyst") -> dict[str, Any]:
    answer = client.post("/login/access-token", data={"username": username, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refresh(client: Client, token: str) -> Response:
    return client.post("/refresh", json={"refresh_token": token})


def is_good(client: Client, access_token: str) -> bool:
    answer = client.get("/validate-token", headers={"Authorization": f"Bearer {access_token}"})
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def refused(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@contextmanager
def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> Iterator[None]:
    """The clock of sessions, so much later."""
    with monkeypatch.context() as patch:
        patch.setattr(sessions, "utc_now", lambda: datetime.now(UTC) + by)
        yield


def test_refresh_returns_new_tokens_of_the_same_session(anonymous: Client) -> None:
    first = tokens(anonymous)
    second = refresh(anonymous, first["refresh_token"])
    assert second.status_code == 200
    assert set(second.json()) == set(first)
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert is_good(anonymous, second.json()["access_token"])
    assert is_good(anonymous, first["access_token"])


WAYS = [
    {"json": {"refresh_token": "{}"}},
    {"data": {"refresh_token": "{}"}},
    {"files": {"refresh_token": (None, "{}")}},
    {"params": {"refresh_token": "{}"}},
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: next(iter(way)))
@pytest.mark.parametrize("path", ["/refresh", "/refresh/", "/logout"])
def test_refresh_token_is_read_from_the_body_or_the_query(
    anonymous: Client, path: str, way: dict[str, dict[str, Any]]
) -> None:
    token = tokens(anonymous)["refresh_token"]
    request = {part: {"refresh_token": (None, token) if part == "files" else token} for part in way}
    answer = anonymous.post(path, **request)
    assert answer.status_code == 200, answer.text
    if path == "/logout":
        assert answer.json() == {"status": 200, "message": "User successfully logged out"}


@pytest.mark.parametrize(
    "request_parts",
    [
        {},
        {"json": {}},
        {"json": {"refresh_token": 1}},
        {"json": {"refresh_token": None}},
        {"json": {"refresh_token": "x", "is_superuser": True}},
        {"json": ["x"]},
        {"data": {"token": "x"}},
        {"files": {"refresh_token": ("a.txt", b"x")}},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/refresh", "/logout"])
def test_invalid_body_is_refused(anonymous: Client, path: str, request_parts: dict[str, Any]) -> None:
    assert refused(anonymous.post(path, **request_parts)) == (422, "invalid_request")


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
def test_token_by_another_name_in_the_query_is_refused(anonymous: Client, path: str) -> None:
    answer = anonymous.post(path, params={"token": "x"}, json={"refresh_token": "x"})
    assert refused(answer) == (422, "unknown_parameter")


@pytest.mark.parametrize(
    "token", ["", "x", "x" * 100_000, "é", "\0", "\ud800", "' OR 1=1 --"], ids=lambda t: repr(t[:9])
)
@pytest.mark.parametrize("path", ["/refresh", "/logout"])
def test_malformed_refresh_token_is_refused(anonymous: Client, path: str, token: str) -> None:
    body = '{"refresh_token": "\\ud800"}' if token == "\ud800" else None
    parts = {"content": body} if body else {"json": {"refresh_token": token}}
    assert refused(anonymous.post(path, **parts)) == (401, "invalid_refresh_token")


@pytest.mark.parametrize("charset", ["undefined", "punycode", "nothing", "utf-7", "idna", "\u00e9", "utf-8; x"])
@pytest.mark.parametrize("path", ["/refresh", "/logout"])
def test_form_in_an_unusual_charset_is_refused(anonymous: Client, path: str, charset: str) -> None:
    content = b'--x\r\nContent-Disposition: form-data; name="refresh_token"\r\n\r\n\xe9\xff\r\n--x--\r\n'
    types = (
        f"multipart/form-data; boundary=x; charset={charset}",
        f"application/x-www-form-urlencoded; charset={charset}",
    )
    for content_type in types:
        answer = anonymous.post(path, content=content, headers={"Content-Type": content_type.encode()})
        assert answer.status_code in (400, 401, 422), answer.text


def test_swapped_tokens_are_refused(anonymous: Client) -> None:
    pair = tokens(anonymous)
    assert refused(refresh(anonymous, pair["access_token"])) == (401, "invalid_refresh_token")
    answer = anonymous.get("/validate-token", headers={"Authorization": f"Bearer {pair['refresh_token']}"})
    assert refused(answer) == (401, "invalid_token")
    assert is_good(anonymous, pair["access_token"])


def test_refresh_is_repeated_within_the_grace_period(anonymous: Client) -> None:
    first = tokens(anonymous)["refresh_token"]
    once, again = (refresh(anonymous, first).json()["refresh_token"] for _ in range(2))
    assert once == again
    assert refresh(anonymous, once).status_code == 200


def test_reuse_after_the_grace_period_ends_the_session(
    platform: Platform, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = tokens(anonymous)
    newer = refresh(anonymous, pair["refresh_token"]).json()
    with later(monkeypatch, timedelta(seconds=9)):
        assert refresh(anonymous, pair["refresh_token"]).json()["refresh_token"] == newer["refresh_token"]
    with later(monkeypatch, timedelta(seconds=11)):
        assert refused(refresh(anonymous, pair["refresh_token"])) == (401, "refresh_token_reused")
    assert not is_good(anonymous, pair["access_token"])
    assert not is_good(anonymous, newer["access_token"])
    for token in (pair["refresh_token"], newer["refresh_token"]):
        assert refused(refresh(anonymous, token)) == (401, "session_ended")
    event = platform.client.get("/audit/list", params={"action": "session.reuse"}).json()["data"][0]
    assert (event["username"], event["outcome"]) == ("analyst", "refused")


def test_grace_period_applies_only_to_the_immediate_predecessor(anonymous: Client) -> None:
    first = tokens(anonymous)["refresh_token"]
    second = refresh(anonymous, first).json()["refresh_token"]
    third = refresh(anonymous, second).json()
    assert refused(refresh(anonymous, first)) == (401, "refresh_token_reused")
    assert not is_good(anonymous, third["access_token"])


def test_refresh_token_used_by_fifty_clients_at_once_has_one_successor(platform: Platform, anonymous: Client) -> None:
    pair = tokens(anonymous)

    async def storm() -> list[Response]:
        asked = (
            anonymous._client.post("/api/v1/refresh", json={"refresh_token": pair["refresh_token"]}) for _ in range(50)
        )
        return await asyncio.gather(*asked)

    answers = anonymous.portal.call(storm)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert is_good(anonymous, answers[0].json()["access_token"])
    query = "SELECT count(*), count(replaced_at) FROM refresh_token WHERE session_id = (SELECT max(id) FROM session)"
    assert execute_sql(platform.settings, query) == [(2, 1)]


def test_logout_ends_the_session_from_the_next_request_on(anonymous: Client) -> None:
    pair, other = tokens(anonymous), tokens(anonymous)
    for _ in range(2):  # The answer may have been lost: again changes nothing.
        assert anonymous.post("/logout", json={"refresh_token": pair["refresh_token"]}).status_code == 200
        assert not is_good(anonymous, pair["access_token"])
    assert refused(refresh(anonymous, pair["refresh_token"])) == (401, "session_ended")
    assert is_good(anonymous, other["access_token"])


def test_logout_accepts_a_replaced_refresh_token(anonymous: Client) -> None:
    pair = tokens(anonymous)
    newer = refresh(anonymous, pair["refresh_token"]).json()
    assert anonymous.post("/logout", json={"refresh_token": pair["refresh_token"]}).status_code == 200
    assert not is_good(anonymous, newer["access_token"])


def test_session_in_use_is_extended(anonymous: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = tokens(anonymous)
    with later(monkeypatch, timedelta(days=13)):
        newer = refresh(anonymous, pair["refresh_token"]).json()
    with later(monkeypatch, timedelta(days=26)):
        assert refresh(anonymous, newer["refresh_token"]).status_code == 200
    unused = tokens(anonymous)
    with later(monkeypatch, timedelta(days=15)):
        assert refused(refresh(anonymous, unused["refresh_token"])) == (401, "session_ended")


def test_session_continues_after_a_key_rotation(platform: Platform, anonymous: Client) -> None:
    pair = tokens(anonymous)
    first = refresh(anonymous, pair["refresh_token"]).json()
    TokenKeys.rotate(platform.settings.key_file)
    assert refresh(anonymous, pair["refresh_token"]).json()["refresh_token"] == first["refresh_token"]
    assert refresh(anonymous, first["refresh_token"]).status_code == 200
    assert is_good(anonymous, pair["access_token"])


def test_rows_of_expired_sessions_are_deleted(
    platform: Platform, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = create_user(platform.client)
    for _ in range(3):
        refresh(anonymous, tokens(anonymous, user["username"])["refresh_token"])
    with later(monkeypatch, timedelta(days=45)):
        tokens(anonymous, user["username"])
    assert execute_sql(platform.settings, "SELECT count(*) FROM session WHERE user_id = ?", user["id"]) == [(1,)]
    orphans = "SELECT count(*) FROM refresh_token WHERE session_id NOT IN (SELECT id FROM session)"
    assert execute_sql(platform.settings, orphans) == [(0,)]


def test_login_fails_if_the_password_changes_meanwhile(
    platform: Platform, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a session opened with the old password would outlive the reset."""
    user = create_user(platform.client)
    real = sessions.verify_password

    async def slow(password: str, password_hash: str | None) -> sessions.PasswordCheck:
        check = await real(password, password_hash)
        execute_sql(platform.settings, "UPDATE \"user\" SET password_hash = 'another' WHERE id = ?", user["id"])
        return check

    monkeypatch.setattr(sessions, "verify_password", slow)
    answer = anonymous.post("/login/access-token", data={"username": user["username"], "password": PASSWORD})
    assert refused(answer) == (401, "bad_credentials")


def test_login_replaces_a_hash_of_older_parameters(platform: Platform, anonymous: Client) -> None:
    cheap = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)).hash(PASSWORD)
    tenant_id = platform.client.post("/login/test-token").json()["tenant_id"]

    async def add() -> int:
        database = Database(platform.settings)
        async with database.transaction() as session:
            user = await users.add_builtin(session, tenant_id, "veteran", cheap, BuiltinRole.ANALYST)
        await database.close()
        return user.id

    user_id = asyncio.run(add())
    log_in(anonymous, "veteran")
    ((stored,),) = execute_sql(platform.settings, 'SELECT password_hash FROM "user" WHERE id = ?', user_id)
    assert stored.rsplit("$", 2)[0] == hash_password("x").rsplit("$", 2)[0] != cheap.rsplit("$", 2)[0]
    log_in(anonymous, "veteran")
