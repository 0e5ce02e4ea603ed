"""Login, test-token, refresh, logout, reset-password and validate-token."""

import time
from typing import Any

import jwt
import pytest

from dataml.access.tokens import AUDIENCE, ISSUER
from tests.client import PASSWORD, Client
from tests.conftest import Platform, log_in
from tests.reference.record import shows
from tests.sample_tenant import create_user
from tests.test_every_route import refusal

OTHER_PASSWORD = "another password for tests"


def open_session(anonymous: Client, username: str, password: str = PASSWORD, **form: str) -> dict[str, Any]:
    answer = anonymous.post("/login/access-token", data={"username": username, "password": password, **form})
    assert answer.status_code == 200, answer.text
    return answer.json()


def as_bearer(client: Client, token: str) -> Client:
    return Client(client.app, client.portal, {"Authorization": f"Bearer {token}"})


@pytest.fixture
def jane(client: Client) -> dict[str, Any]:
    """A user of the tenant `default`."""
    return create_user(client, first_name="Jane", last_name="Doe")


@shows("POST /login/access-token")
def test_login_authenticates_a_user_via_form_data(anonymous: Client, jane: dict[str, Any]) -> None:
    first = open_session(anonymous, jane["username"])
    more = {"grant_type": "password", "client_id": "portal", "client_secret": "s", "scope": ""}
    second = open_session(anonymous, jane["username"], **more)
    assert first["token_type"] == "bearer"
    for session in (first, second):
        assert as_bearer(anonymous, session["access_token"]).post("/login/test-token").json()["id"] == jane["id"]
    wrong = {"username": jane["username"], "password": OTHER_PASSWORD}
    assert refusal(anonymous.post("/login/access-token", data=wrong))[0] == 401
    assert anonymous.post("/login/access-token", data={"username": jane["username"]}).status_code == 422


@shows("POST /login/access-token")
def test_scope_of_a_login_limits_what_the_token_allows(anonymous: Client) -> None:
    every = as_bearer(anonymous, open_session(anonymous, "admin")["access_token"])
    narrow = as_bearer(anonymous, open_session(anonymous, "admin", scope="can_view")["access_token"])
    assert every.get("/users/read-users").status_code == narrow.get("/template/list").status_code == 200
    assert refusal(narrow.get("/users/read-users"))[0] == 403


@shows("POST /login/test-token")
def test_token_shows_the_details_of_its_user(
    anonymous: Client, client: Client, stranger: Client, jane: dict[str, Any]
) -> None:
    session = log_in(anonymous, jane["username"])
    shown = session.post("/login/test-token").json()
    assert {name: shown[name] for name in ("first_name", "last_name")} == {"first_name": "Jane", "last_name": "Doe"}
    assert shown.items() >= client.get(f"/users/{jane['id']}").json().items()
    assert shown["is_active"]
    other = stranger.post("/login/test-token").json()
    assert (other["username"], other["first_name"]) == ("stranger", None)
    assert other["tenant_id"] != shown["tenant_id"]
    client.request("PUT", f"/users/{jane['id']}", json={"is_active": False})
    assert refusal(session.post("/login/test-token"))[0] == 401


@shows("POST /refresh")
def test_refresh_token_is_exchanged_for_a_new_access_token(anonymous: Client, jane: dict[str, Any]) -> None:
    session = open_session(anonymous, jane["username"])
    first = anonymous.post("/refresh", params={"refresh_token": session["refresh_token"]}).json()
    second = anonymous.post("/refresh", params={"refresh_token": first["refresh_token"]}).json()
    tokens = [answer["access_token"] for answer in (session, first, second)]
    assert len(set(tokens)) == 3
    for token in tokens:
        assert as_bearer(anonymous, token).post("/login/test-token").json()["id"] == jane["id"]
    assert refusal(anonymous.post("/refresh", params={"refresh_token": session["access_token"]}))[0] == 401
    assert anonymous.post("/refresh").status_code == 422


@shows("POST /logout")
def test_logout_invalidates_the_refresh_token(anonymous: Client, jane: dict[str, Any]) -> None:
    ended, other = open_session(anonymous, jane["username"]), open_session(anonymous, jane["username"])
    answer = anonymous.post("/logout", params={"refresh_token": ended["refresh_token"]}).json()
    assert answer == {"status": 200, "message": "User successfully logged out"}
    assert refusal(anonymous.post("/refresh", params={"refresh_token": ended["refresh_token"]}))[0] == 401
    assert refusal(as_bearer(anonymous, ended["access_token"]).get("/validate-token"))[0] == 401
    assert as_bearer(anonymous, other["access_token"]).get("/validate-token").status_code == 200
    assert anonymous.post("/refresh", params={"refresh_token": other["refresh_token"]}).status_code == 200


@shows("POST /reset-password")
def test_reset_sets_the_password_of_the_named_account(anonymous: Client, client: Client, jane: dict[str, Any]) -> None:
    session = log_in(anonymous, jane["username"])
    reset = {"user_name": jane["username"], "new_password": OTHER_PASSWORD}
    assert refusal(anonymous.post("/reset-password", params=reset))[0] == 401
    answer = session.post("/reset-password", params=reset | {"current_password": PASSWORD}).json()
    assert answer == {"status": 200, "message": "Password has been reset successfully"}
    assert refusal(session.get("/validate-token"))[0] == 401
    old = {"username": jane["username"], "password": PASSWORD}
    assert refusal(anonymous.post("/login/access-token", data=old))[0] == 401
    open_session(anonymous, jane["username"], OTHER_PASSWORD)
    # Who manages users resets the password of another one.
    reset["new_password"] = PASSWORD
    assert client.post("/reset-password", params=reset | {"current_password": PASSWORD}).status_code == 200
    open_session(anonymous, jane["username"])


@shows("GET /validate-token")
def test_token_is_valid_while_it_is_active_and_not_expired(platform: Platform, jane: dict[str, Any]) -> None:
    token = open_session(platform.anonymous, jane["username"])["access_token"]
    answer = as_bearer(platform.anonymous, token).get("/validate-token").json()
    assert answer == {"status": "success", "message": "Token is valid."}
    key = platform.settings.key_file.read_bytes()
    claims = jwt.decode(token, key, algorithms=["HS256"], audience=AUDIENCE, issuer=ISSUER)
    past = claims | {"iat": int(time.time()) - 20, "exp": int(time.time()) - 10}
    expired = jwt.encode(past, key, "HS256", headers={"kid": jwt.get_unverified_header(token)["kid"]})
    assert refusal(as_bearer(platform.anonymous, expired).get("/validate-token")) == (401, "token_expired")
    assert refusal(platform.anonymous.get("/validate-token"))[0] == 401
