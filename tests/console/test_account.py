"""The own account: password and API keys."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.client import PASSWORD, Client
from tests.console.browser import Browser, signed_in
from tests.sample_tenant import create_user

NEW = "another password for tests"


@pytest.fixture
def user(client: Client) -> dict[str, Any]:
    return create_user(client)


@pytest.fixture
def browser(anonymous: Client, user: dict[str, Any]) -> Browser:
    return signed_in(anonymous, user["username"])


def test_account_says_who_and_what(browser: Browser, user: dict[str, Any]) -> None:
    page = browser.get("/account").text
    assert user["email"] in page
    assert "can_view" in page
    assert "can_manage_users" not in page


def test_password_is_changed_and_the_browser_stays_signed_in(
    anonymous: Client, browser: Browser, user: dict[str, Any]
) -> None:
    elsewhere = signed_in(anonymous, user["username"])
    form = {"current_password": PASSWORD, "new_password": NEW, "repeated": NEW}
    answer = browser.send("/account/password", **form)
    assert answer.status_code == 303
    assert browser.get(answer.headers["location"]).status_code == 200
    assert elsewhere.get("/account").status_code == 303, "all other sessions have ended"
    assert Browser(anonymous).sign_in(user["username"], NEW).status_code == 303
    assert Browser(anonymous).sign_in(user["username"], PASSWORD).status_code == 401


@pytest.mark.parametrize(
    ("form", "status", "text"),
    [
        ({"current_password": "a wrong password", "new_password": NEW, "repeated": NEW}, 403, "not right"),
        ({"current_password": PASSWORD, "new_password": NEW, "repeated": NEW + "x"}, 422, "not the same"),
        ({"current_password": PASSWORD, "new_password": "short", "repeated": "short"}, 422, "12"),
        ({}, 422, ""),
    ],
    ids=["wrong", "two", "short", "empty"],
)
def test_refused_password_is_explained_and_shown_nowhere(
    browser: Browser, form: dict[str, str], status: int, text: str
) -> None:
    answer = browser.send("/account/password", **form)
    assert answer.status_code == status, answer.text
    assert text in answer.text
    assert 'role="alert"' in answer.text
    for secret in form.values():
        assert secret == "short" or secret not in answer.text
    assert browser.get("/account").status_code == 200


def secret_in(page: str) -> str:
    found = re.search(r'<pre id="new-key"[^>]*>(dataml_[^<]+)</pre>', page)
    assert found, page
    return found[1]


def test_key_is_made_shown_once_and_revoked(anonymous: Client, browser: Browser) -> None:
    name = "<script>alert(1)</script> 🔑 \u202eabc"[:100].replace("\u202e", "")
    expires = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    answer = browser.send("/account/keys/new", name=name, expires=expires, permissions=["can_predict", "can_view"])
    assert answer.status_code == 200
    key = secret_in(answer.text)
    headers = {"Authorization": f"Bearer {key}"}
    assert anonymous.get("/dataset/list", headers=headers).status_code == 200
    page = browser.get("/account/keys").text
    assert key not in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "can_predict, can_view" in page
    (key_id,) = re.findall(r"/account/keys/(\d+)/revoke", page)
    answer = browser.send(f"/account/keys/{key_id}/revoke")
    assert answer.status_code == 303
    assert "revoked" in browser.get("/account/keys").text
    assert anonymous.get("/dataset/list", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"name": "", "permissions": "can_view"}, 422),
        ({"name": "kept <name>", "permissions": "can_manage_users"}, 403),
        ({"name": "kept <name>", "permissions": "can_view", "expires": "2001-01-01"}, 422),
        ({"name": "kept <name>", "permissions": "can_view", "expires": "tomorrow"}, 422),
        ({"name": "kept <name>"}, 422),
    ],
    ids=["no name", "too much", "past", "no date", "nothing"],
)
def test_refused_key_keeps_what_was_typed(browser: Browser, form: dict[str, str], status: int) -> None:
    answer = browser.send("/account/keys/new", **form)
    assert answer.status_code == status, answer.text
    assert 'role="alert"' in answer.text
    if form["name"]:
        assert 'value="kept &lt;name&gt;"' in answer.text
    assert "dataml_" not in answer.text.replace("dataml_theme", "")


def test_key_of_another_user_is_not_revoked(client: Client, browser: Browser) -> None:
    key = client.post("/api-keys", json={"name": "of the administrator"}).json()
    assert browser.send(f"/account/keys/{key['id']}/revoke").status_code == 403
    assert "of the administrator" not in browser.get("/account/keys").text


def test_sessions_are_listed_and_ended(anonymous: Client, browser: Browser, user: dict[str, Any]) -> None:
    first, second, third = (signed_in(anonymous, user["username"]) for _ in range(3))
    page = browser.get("/account/sessions").text
    paths = re.findall(r'action="(/account/sessions/\d+/end)"', page)
    assert len(paths) == 3, "not that of this browser"
    assert page.count("this browser") == 1
    # The newest one comes first.
    assert browser.send(paths[0]).status_code == 303
    assert [each.get("/").status_code for each in (first, second, third, browser)] == [200, 200, 303, 200]
    answer = browser.send("/account/sessions/end")
    assert answer.headers["location"] == "/account/sessions?notice=Sessions+that+have+ended%3A+2."
    assert [each.get("/").status_code for each in (first, second, browser)] == [303, 303, 200]


def test_session_of_another_user_is_not_ended(client: Client, browser: Browser) -> None:
    session_id = client.get("/sessions/list").json()["data"][0]["id"]
    assert browser.send(f"/account/sessions/{session_id}/end").status_code == 403
    assert client.get("/validate-token").status_code == 200
