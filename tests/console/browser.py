"""A browser without a window: cookies, forms, and no tokens of its own."""

import functools
from typing import Any, Final

import httpx

from tests.client import PASSWORD, Client

ORIGIN: Final = "http://dataml"


class Browser:
    """One browser, which keeps the cookies that it gets and follows no redirects."""

    def __init__(self, client: Client) -> None:
        self._portal = client.portal
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=ORIGIN)

    @property
    def cookies(self) -> httpx.Cookies:
        """The cookies by name."""
        return self._client.cookies

    def get(self, path: str, **request: Any) -> httpx.Response:
        """Open a page."""
        return self.request("GET", path, **request)

    def send(self, path: str, **form: Any) -> httpx.Response:
        """Send a form of a page of the console."""
        return self.request("POST", path, data=form, headers={"Sec-Fetch-Site": "same-origin"})

    def request(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request as it is given."""
        return self._portal.call(functools.partial(self._client.request, method, path, **request))

    def sign_in(self, username: str, password: str = PASSWORD, **form: Any) -> httpx.Response:
        """Sign in with the form."""
        return self.send("/sign-in", username=username, password=password, **form)


def signed_in(client: Client, username: str) -> Browser:
    """Return a browser in which this user has signed in."""
    browser = Browser(client)
    assert browser.sign_in(username).status_code == 303
    return browser
