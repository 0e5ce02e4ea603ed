"""Signing in and out of the console, and what its cookies are good for."""

import pytest

from dataml.access.service import Authenticator, Principal
from dataml.console.api import ApiError
from dataml.console.session import ACCESS_COOKIE, REFRESH_COOKIE, next_path
from tests.client import Client
from tests.console.browser import Browser, signed_in


def test_page_sends_a_visitor_to_the_form_and_back(visitor: Browser) -> None:
    asked = visitor.get("/datasets?q=churn")
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=%2Fdatasets%3Fq%3Dchurn")
    assert 'value="/datasets?q=churn"' in visitor.get(asked.headers["location"]).text
    answer = visitor.sign_in("admin", next="/datasets?q=churn")
    assert (answer.status_code, answer.headers["location"]) == (303, "/datasets?q=churn")
    assert visitor.get("/datasets?q=churn").status_code == 200


def test_no_script_reads_the_cookies(visitor: Browser) -> None:
    answer = visitor.sign_in("admin")
    cookies = answer.headers.get_list("set-cookie")
    assert {cookie.split("=")[0] for cookie in cookies} == {ACCESS_COOKIE, REFRESH_COOKIE}
    assert all("HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie for cookie in cookies)
    assert not any("Secure" in cookie for cookie in cookies), "over HTTP a browser would drop them"


def test_cookies_are_secure_behind_tls(visitor: Browser) -> None:
    form = {"username": "admin", "password": "a password for tests"}
    headers = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-Proto": "https"}
    answer = visitor.request("POST", "/sign-in", data=form, headers=headers)
    assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


def test_wrong_password_is_said_on_the_form(visitor: Browser) -> None:
    answer = visitor.sign_in("admin", "wrong password")
    assert answer.status_code == 401
    assert "Wrong username or password." in answer.text
    assert "set-cookie" not in answer.headers
    assert 'value="admin"' in answer.text
    assert "wrong password" not in answer.text


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", "", None]
)
def test_nobody_is_sent_to_another_server(path: str | None) -> None:
    assert next_path(path) == "/"


def test_session_is_renewed_without_a_word(visitor: Browser) -> None:
    visitor.sign_in("admin")
    before = visitor.cookies[REFRESH_COOKIE]
    # As a browser does when the cookie has expired.
    visitor.cookies.delete(ACCESS_COOKIE)
    assert visitor.get("/").status_code == 200
    assert visitor.cookies[ACCESS_COOKIE]
    assert visitor.cookies[REFRESH_COOKIE] != before


def test_session_that_cannot_be_renewed_now_is_said_and_kept(visitor: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor.sign_in("admin")
    visitor.cookies.delete(ACCESS_COOKIE)

    async def refuse(*_: object, **__: object) -> None:
        raise ApiError(503, "database_unavailable", "The database cannot be reached.", {})

    with monkeypatch.context() as patched:
        patched.setattr("dataml.console.visit.Api.call", refuse)
        page, answer = visitor.get("/"), visitor.request("GET", "/console/api/jobs/list")
    assert (page.status_code, "The database cannot be reached." in page.text) == (503, True)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert visitor.get("/").status_code == 200


def test_signing_out_ends_the_session(visitor: Browser) -> None:
    visitor.sign_in("admin")
    kept = dict(visitor.cookies)
    answer = visitor.send("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert not visitor.cookies
    for name, value in kept.items():
        visitor.cookies.set(name, value)
    assert visitor.get("/").headers["location"].startswith("/sign-in"), "the tokens are worth nothing now"


def test_session_that_ends_meanwhile_leads_to_the_form(visitor: Browser, anonymous: Client) -> None:
    visitor.sign_in("admin")
    answer = anonymous.post("/logout", data={"refresh_token": visitor.cookies[REFRESH_COOKIE]})
    assert answer.status_code == 200
    assert visitor.get("/jobs").headers["location"] == "/sign-in?next=%2Fjobs"
    assert visitor.get("/console/api/jobs/list").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {},
    ],
    ids=str,
)
def test_change_that_another_site_asks_for_is_refused(anonymous: Client, headers: dict[str, str]) -> None:
    browser = signed_in(anonymous, "admin")
    for path in ("/sign-out", "/sign-in", "/datasets/1/delete", "/console/api/template"):
        answer = browser.request("POST", path, headers=headers)
        assert answer.status_code == 403, path
        assert "foreign_origin" in answer.text
    assert browser.get("/").status_code == 200


def test_form_of_the_same_origin_is_taken_from_an_old_browser(anonymous: Client) -> None:
    browser = signed_in(anonymous, "admin")
    assert browser.request("POST", "/sign-out", headers={"Origin": "http://dataml"}).status_code == 303


def test_the_api_takes_no_cookies(anonymous: Client) -> None:
    browser = signed_in(anonymous, "admin")
    assert browser.get("/api/v1/dataset/list").status_code == 401
    answer = browser.get("/console/api/dataset/list")
    assert (answer.status_code, answer.json().keys()) == (200, {"total", "data"})


def test_sign_ins_are_in_the_audit_log(client: Client, visitor: Browser) -> None:
    visitor.sign_in("analyst")
    event = client.get("/audit/list", params={"action": "session.open", "limit": 1}).json()["data"][0]
    assert (event["username"], event["outcome"]) == ("analyst", "success")


def test_page_reads_its_session_once_for_all_its_calls(
    admin: Browser, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    users: list[int] = []
    look_up = Authenticator._of_session

    async def count(self: Authenticator, user_id: int, session_id: int) -> Principal:
        users.append(user_id)
        return await look_up(self, user_id, session_id)

    monkeypatch.setattr(Authenticator, "_of_session", count)
    assert admin.get("/").status_code == 200
    assert len(users) == 1
    assert client.get("/jobs/list").status_code == 200
    assert len(users) == 2, "a program is authenticated by each call"
