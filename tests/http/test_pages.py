"""The pages for people, which load nothing from other servers."""

import re

import pytest

from tests.client import Client

PAGES = ("/docs", "/redoc")


def loaded(page: str) -> list[str]:
    return re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]+)"', page)


@pytest.mark.parametrize("path", PAGES)
def test_page_and_all_that_it_loads_come_from_this_server(anonymous: Client, path: str) -> None:
    page = anonymous.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert loaded(page.text)
    for asset in loaded(page.text):
        answer = anonymous.get(asset)
        assert answer.status_code == 200
        assert answer.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
        assert answer.headers["content-type"].split(";")[0] in ("text/javascript", "text/css")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
def test_page_runs_only_scripts_of_this_server(anonymous: Client, path: str) -> None:
    page = anonymous.get(path)
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"
    # A script, or the handler of an event, that stands in the page would not run.
    assert re.findall(r"<script[^>]*>[^<]+|<style| style=| on[a-z]+=", page.text) == []


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2findex.html"])
def test_other_files_are_not_served(anonymous: Client, name: str) -> None:
    folder = loaded(anonymous.get("/docs").text)[0].rpartition("/")[0]
    answer = anonymous.get(f"{folder}/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["cache-control"] == "no-store"


def test_asset_of_another_version_is_not_found(anonymous: Client) -> None:
    assert anonymous.get("/docs/assets/0123456789abcdef/docs.js").status_code == 404
