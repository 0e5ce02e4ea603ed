"""The page that releases versions of a predictor."""

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.client import Client
from tests.console.browser import Browser, signed_in
from tests.train.training import small_dataset, trained

PATH = "/predictors/release"
NAME = "<b>release</b> a/b & more"


@pytest.fixture(scope="module")
def versions(client: Client) -> list[dict[str, Any]]:
    dataset_id = small_dataset(client)
    return [trained(client, dataset_id, predictor_name=NAME, new_version=True, seed=number) for number in range(3)]


def page_of(browser: Browser) -> str:
    answer = browser.get(PATH, params={"name": NAME})
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def send(browser: Browser, action: str, **form: Any) -> str:
    """Send a form of the page, and return the page that the browser is led to."""
    answer = browser.request(
        "POST",
        f"{PATH}/{action}",
        params={"name": NAME},
        data=form,
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 303, answer.text
    assert parse_qs(urlsplit(answer.headers["location"]).query)["name"] == [NAME]
    return page_of(browser)


def test_version_is_promoted_and_rolled_back(admin: Browser, versions: list[dict[str, Any]]) -> None:
    answer = admin.get(PATH, params={"name": NAME})
    assert "<b>release" not in answer.text
    page = send(admin, "promote", version=1, reason="Better in <October>.")
    assert f'<a href="/predictors/{versions[0]["id"]}">version 1</a>' in page
    assert "Better in <October>." in page
    page = send(admin, "rollback")
    assert f'<a href="/predictors/{versions[2]["id"]}">version 3</a>' in page
    assert "rolled back" in page


def test_aliases_are_set_and_removed(admin: Browser, versions: list[dict[str, Any]]) -> None:
    assert "@challenger/predict" in send(admin, "alias", alias="challenger", version=2)
    assert "@challenger/predict" not in send(admin, "unalias", alias="challenger")


def test_traffic_is_split_and_copied(client: Client, admin: Browser, versions: list[dict[str, Any]]) -> None:
    page = send(admin, "traffic", **{"weight:3": "60", "weight:2": " 40 ", "weight:1": "", "shadow:1": "on"})
    assert "40% to version 2, 60% to version 3" in page
    assert "Shadow: version 1" in page
    assert "No request was copied yet." in page
    page = send(admin, "traffic", **{"weight:3": "", "weight:2": "", "weight:1": ""})
    assert "all to the champion" in page


def test_promotion_becomes_manual(admin: Browser, versions: list[dict[str, Any]]) -> None:
    assert "waits to be promoted" in send(admin, "promotion", promotion="manual")
    assert "answers by itself" in send(admin, "promotion", promotion="automatic")


@pytest.mark.parametrize(
    ("action", "form", "text"),
    [
        ("promote", {"version": "3"}, "is the champion already"),
        ("promote", {"version": "x"}, "must be at least 1"),
        ("rollback", {"reason": "x" * 501}, "at most 500 characters"),
        ("alias", {"alias": "v2", "version": "2"}, "choose another alias"),
        ("alias", {"alias": "a b/c", "version": "2"}, "An alias has 1 to 63 small letters"),
        ("traffic", {"weight:1": "50"}, "and not to 100"),
        ("traffic", {"weight:1": "some"}, "must be at least 1"),
        ("traffic", {"shadow:3": "on"}, "cannot be a shadow"),
    ],
)
def test_what_the_api_refuses_is_shown(
    admin: Browser, versions: list[dict[str, Any]], action: str, form: dict[str, str], text: str
) -> None:
    answer = admin.request(
        "POST", f"{PATH}/{action}", params={"name": NAME}, data=form, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code in (404, 409, 422), answer.text
    shown = re.search(r"role=\"alert\".*?</div>", answer.text, re.DOTALL)
    assert shown
    assert text in html.unescape(shown.group())


def test_others_see_no_forms_or_no_predictor(platform: Any, client: Client, versions: list[dict[str, Any]]) -> None:
    page = page_of(signed_in(platform.anonymous, "analyst"))
    assert "version 3" in page
    assert 'method="post" action="/predictors/release' not in page
    stranger = signed_in(platform.anonymous, "stranger")
    for name in (NAME, "absent", ""):
        assert stranger.get(PATH, params={"name": name}).status_code == 404


def test_refused_form_keeps_what_was_typed(admin: Browser, versions: list[dict[str, Any]]) -> None:
    def refused(action: str, form: dict[str, str]) -> str:
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = admin.request("POST", f"{PATH}/{action}", params={"name": NAME}, data=form, headers=headers)
        assert answer.status_code in (404, 409, 422), answer.text
        return answer.text

    page = refused("traffic", {"weight:1": "50", "weight:2": "", "shadow:2": "on"})
    assert re.search(r'name="weight:1"[^>]* value="50"', page)
    assert re.search(r'name="shadow:2"[^>]* checked', page)
    assert not re.search(r'name="shadow:1"[^>]* checked', page)
    page = refused("alias", {"alias": "v2", "version": "2"})
    assert re.search(r'name="alias"[^>]* value="v2"', page)
    assert "<option selected>2</option>" in page
    page = refused("promote", {"version": "3", "reason": "Because of <it>"})
    assert 'value="Because of &lt;it&gt;"' in page
