"""From a name and a password to a principal."""

import asyncio
import hashlib
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from httpx import Response
from sqlalchemy import event

from dataml.access import names, passwords
from dataml.access.service import Authenticator
from dataml.access.sessions import Sessions
from dataml.access.tokens import TokenKeys
from dataml.db import outage_cache
from dataml.db.scope import Origin
from dataml.db.session import Database
from dataml.errors import Unauthorized
from dataml.settings import Settings
from tests.client import PASSWORD, Client
from tests.conftest import NewHome, Platform, log_in
from tests.database import execute_sql, read_stored_bytes


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    """These tests fail to log in more often than is taken from anybody else."""
    return new_home(login_failures=1000, address_login_failures=1000)


def login(client: Client, username: str, password: str, **more: str) -> Response:
    return client.post("/login/access-token", data={"username": username, "password": password} | more)


@contextmanager
def changed(platform: Platform, update: str, restore: str) -> Iterator[None]:
    """The database with this change."""
    execute_sql(platform.settings, update)
    try:
        yield
    finally:
        execute_sql(platform.settings, restore)


def test_login_returns_tokens(anonymous: Client) -> None:
    body = login(anonymous, "admin", PASSWORD).json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
    assert len(body["refresh_token"]) >= 43
    assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in", "scope"}


def test_each_login_opens_its_own_session(anonymous: Client) -> None:
    bodies = [login(anonymous, "admin", PASSWORD).json() for _ in range(2)]
    assert bodies[0]["access_token"] != bodies[1]["access_token"]
    assert bodies[0]["refresh_token"] != bodies[1]["refresh_token"]


def test_every_field_of_the_documented_form_is_accepted(anonymous: Client) -> None:
    more = {"grant_type": "password", "scope": "", "client_id": "x", "client_secret": "y"}
    assert login(anonymous, "admin", PASSWORD, **more).status_code == 200


@pytest.mark.parametrize("username", ["ADMIN", " admin ", "\uff21dmin"])
def test_spellings_of_a_username_identify_one_user(anonymous: Client, username: str) -> None:
    client = log_in(anonymous, username)
    assert client.post("/login/test-token").json()["username"] == "admin"


def test_usernames_are_compared_by_their_characters() -> None:
    assert names.key("\tStraße ") == names.key("STRASSE")
    assert names.key("a\u0301") == names.key("á")
    assert names.key("\u2126\u0345") == names.key(names.key("\u2126\u0345"))
    assert names.key("admin\0") != "admin"


WRONG = [
    ("admin", "another password"),
    ("admin", PASSWORD + " "),
    ("admin", PASSWORD.upper()),
    ("admin", PASSWORD + "x" * 2000),
    ("nobody", PASSWORD),
    ("admin\0", PASSWORD),
    ("admin' OR '1'='1", PASSWORD),
    ("x" * 100_000, PASSWORD),
    ("admin", "é" * 513),
]


@pytest.mark.parametrize(("username", "password"), WRONG, ids=lambda text: text[:20])
def test_every_failed_login_gets_the_same_401(anonymous: Client, username: str, password: str) -> None:
    answer = login(anonymous, username, password)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    assert answer.json()["detail"] == "Wrong username or password."
    assert answer.headers["www-authenticate"] == "Bearer"


def test_failed_logins_do_the_same_work_whether_the_user_exists(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same statements in the same order, and one hash each: the time of the answer does not say who exists."""
    known, unknown, too_long = (
        work_of_failed_login(platform.settings, monkeypatch, *attempt)
        for attempt in (("admin", "another password"), ("nobody", "another password"), ("admin", "x" * 2000))
    )
    assert known.statements == unknown.statements == too_long.statements
    assert any(statement.startswith("INSERT INTO audit_event") for statement in known.statements)
    assert [len(work.hashes) for work in (known, unknown, too_long)] == [1, 1, 1]
    parameters = {found.rsplit("$", 2)[0] for work in (known, unknown, too_long) for found in work.hashes}
    assert len(parameters) == 1


@dataclass(frozen=True)
class Work:
    """What a login does: the statements that it sends, and the hashes that it compares with."""

    statements: list[str]
    hashes: list[str]


def work_of_failed_login(settings: Settings, monkeypatch: pytest.MonkeyPatch, username: str, password: str) -> Work:
    work = Work([], [])
    hasher = passwords._hasher()

    def compare(text: bytes, password_hash: str) -> tuple[bool, str | None]:
        work.hashes.append(password_hash)
        return hasher.verify_and_update(text, password_hash)

    def note(_: object, __: object, statement: str, *___: object) -> None:
        work.statements.append(statement)

    async def run() -> None:
        database = Database(settings)
        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        sessions = Sessions(database, settings, TokenKeys.load(settings.key_file))
        with pytest.raises(Unauthorized):
            await sessions.log_in(username, password, Origin("192.0.2.1"))
        await database.close()

    with monkeypatch.context() as patch:
        patch.setattr(passwords, "_hasher", lambda: SimpleNamespace(hash=hasher.hash, verify_and_update=compare))
        asyncio.run(run())
    return work


@pytest.mark.parametrize("form", [{}, {"username": "admin"}, {"password": PASSWORD}, {"username": "", "password": ""}])
def test_login_without_username_or_password_is_refused(anonymous: Client, form: dict[str, str]) -> None:
    answer = anonymous.post("/login/access-token", data=form)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_error_does_not_contain_the_password(anonymous: Client) -> None:
    secret = "correct horse battery"
    answers = [
        login(anonymous, "admin", secret),
        anonymous.post("/login/access-token", data={"password": secret}),
        anonymous.post("/login/access-token", json={"username": "admin", "password": secret}),
    ]
    assert all(answer.is_error for answer in answers)
    assert all(secret not in answer.text for answer in answers)


def test_token_identifies_its_user(client: Client, stranger: Client) -> None:
    admin, other = (user.post("/login/test-token").json() for user in (client, stranger))
    assert (admin["username"], admin["is_active"], other["username"]) == ("admin", True, "stranger")
    assert admin["tenant_id"] != other["tenant_id"]
    assert not {"password", "password_hash", "role", "is_platform_admin"} & set(admin)
    assert client.get("/validate-token").json() == {"status": "success", "message": "Token is valid."}


CLOSED = [
    ('UPDATE "user" SET is_active = false WHERE id = 2', 'UPDATE "user" SET is_active = true WHERE id = 2'),
    ("UPDATE tenant SET is_active = false WHERE name = 'default'", "UPDATE tenant SET is_active = true"),
]


@pytest.mark.parametrize(("close", "reopen"), CLOSED, ids=["user", "tenant"])
def test_deactivated_account_is_refused_from_the_next_request_on(platform: Platform, close: str, reopen: str) -> None:
    analyst = log_in(platform.anonymous, "analyst")
    assert analyst.get("/template/list").status_code == 200
    with changed(platform, close, reopen):
        answer = analyst.get("/template/list")
        assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
        answer = login(platform.anonymous, "analyst", PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    assert analyst.get("/template/list").status_code == 200


@pytest.mark.parametrize("end", ["ended_at = '2020-01-01 00:00:00'", "expires_at = '2020-01-01 00:00:00'"])
def test_token_of_an_ended_session_is_refused(platform: Platform, end: str) -> None:
    analyst = log_in(platform.anonymous, "analyst")
    execute_sql(platform.settings, f"UPDATE session SET {end} WHERE id = (SELECT max(id) FROM session)")
    answer = analyst.get("/validate-token")
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    assert platform.client.get("/validate-token").status_code == 200


def test_secrets_are_stored_as_hashes(platform: Platform) -> None:
    body = login(platform.anonymous, "analyst", PASSWORD).json()
    newest = execute_sql(
        platform.settings,
        "SELECT token_hash, expires_at FROM refresh_token JOIN session ON session.id = session_id ORDER BY "
        "session.id DESC",
    )[0]
    assert newest[0] == hashlib.sha256(body["refresh_token"].encode()).hexdigest()
    # SQLite has it as text, without its zone.
    expires_at = datetime.fromisoformat(str(newest[1]))
    lifetime = (expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)) - datetime.now(UTC)
    assert timedelta(days=13, hours=23) < lifetime <= timedelta(days=14)
    content = read_stored_bytes(platform.settings)
    for secret in (body["refresh_token"], body["access_token"], PASSWORD):
        assert secret.encode() not in content


@pytest.mark.parametrize(
    ("spell", "code"),
    [
        (lambda token: f"bearer {token}", None),
        (lambda token: f"BEARER   {token} ", None),
        (lambda token: token, "missing_token"),
        (lambda token: "Bearer", "missing_token"),
        (lambda token: "Bearer ", "missing_token"),
        (lambda token: f"Token {token}", "missing_token"),
        (lambda token: f"Bearer {token} {token}", "invalid_token"),
        (lambda token: f"Bearer {token}x", "invalid_token"),
    ],
)
def test_authorization_header_is_parsed_by_the_standard(
    client: Client, anonymous: Client, spell: Callable[[str], str], code: str | None
) -> None:
    header = spell(client.headers["Authorization"].removeprefix("Bearer "))
    answer = anonymous.get("/validate-token", headers={"Authorization": header})
    assert answer.json().get("code") == code


@pytest.mark.parametrize("name", ["access_token", "token"])
def test_token_in_the_query_is_refused(client: Client, anonymous: Client, name: str) -> None:
    token = client.headers["Authorization"].removeprefix("Bearer ")
    answer = anonymous.get("/validate-token", params={name: token})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_parameter")
    assert token not in answer.text


def test_cached_principal_is_looked_up_again_after_it_expires(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = log_in(platform.anonymous, "analyst").headers["Authorization"]
    end = "UPDATE session SET ended_at = '2020-01-01 00:00:00' WHERE id = (SELECT max(id) FROM session)"
    clock = SimpleNamespace(monotonic=time.monotonic)
    monkeypatch.setattr(outage_cache, "time", clock)

    async def run() -> None:
        database = Database(platform.settings)
        key = TokenKeys.load(platform.settings.key_file)
        remembering, asking = Authenticator(database, key, 5.0), Authenticator(database, key)
        first = await remembering.authenticate(header)
        assert (first.username, first.tenant_name) == ("analyst", "default")
        execute_sql(platform.settings, end)
        assert await remembering.authenticate(header) == first
        with pytest.raises(Unauthorized):
            await asking.authenticate(header)
        clock.monotonic = lambda: time.monotonic() + 5.1
        with pytest.raises(Unauthorized):
            await remembering.authenticate(header)
        await database.close()

    asyncio.run(run())


MARKS = "a" + "\u0315" * 40_000 + "\u0316" * 40_000


@pytest.mark.parametrize("field", ["username", "password"])
def test_text_that_is_too_long_to_normalise_is_not_normalised(
    anonymous: Client, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """Combining marks in the wrong order: the work grows with the square of their number."""
    lengths = []
    real = unicodedata.normalize

    def normalize(form: str, text: str) -> str:
        lengths.append(len(text))
        return real(form, text)

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    form = {"username": "admin", "password": PASSWORD} | {field: MARKS}
    answer = anonymous.post("/login/access-token", files={name: (None, value) for name, value in form.items()})
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    assert max(lengths) <= 4096


def test_long_usernames_match_no_user_and_not_each_other() -> None:
    assert names.key("admin" + " " * 1000) != names.key("admin")
    assert names.key("x" * 1001) != names.key("x" * 1002)
    assert len(names.key("x" * 100_000)) < 150
