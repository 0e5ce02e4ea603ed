"""The documentation of the calls, as pages for people. They load nothing from elsewhere."""

import hashlib
from collections.abc import Callable, Coroutine
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import fastapi_offline
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from dataml import __version__
from dataml.errors import NotFound
from dataml.http.headers import ASSETS_PATH

_OURS: Final = Path(str(files("dataml.http"))) / "static"
_THEIRS: Final = Path(fastapi_offline.__file__).parent / "static"
_ASSETS: Final = {
    "docs.js": _OURS,
    "page.css": _OURS,
    "redoc.standalone.js": _THEIRS,
    "swagger-ui.css": _THEIRS,
    "swagger-ui-bundle.js": _THEIRS,
}
"""The folder of each file that the pages load."""

_PAGES: Final = {"/docs": "docs.html", "/redoc": "redoc.html"}
# The path of an asset changes with its content.
_CACHE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


def add_pages(app: FastAPI) -> None:
    """Add `/docs`, `/redoc` and the files that they load. None of them is a call of the API."""
    for path, name in _PAGES.items():
        app.add_api_route(path, _show(name), include_in_schema=False)
    app.add_api_route(f"{ASSETS_PATH}/{{digest}}/{{name}}", _send_asset, include_in_schema=False)


def _show(name: str) -> Callable[[], Coroutine[Any, Any, Response]]:
    async def show() -> Response:
        return HTMLResponse(_page(name))

    return show


@cache
def _page(name: str) -> str:
    page = (_OURS / name).read_text()
    return page.replace("{assets}", f"{ASSETS_PATH}/{_digest()}").replace("{version}", __version__)


@cache
def _digest() -> str:
    """Return a digest of all assets."""
    contents = hashlib.sha256()
    for name, folder in _ASSETS.items():
        contents.update((folder / name).read_bytes())
    return contents.hexdigest()[:16]


async def _send_asset(request: Request) -> Response:
    """Send an asset, to be kept by the browser.

    Raises:
        NotFound: `not_found`; also a file of another version.
    """
    digest, name = request.path_params["digest"], request.path_params["name"]
    if digest != _digest() or name not in _ASSETS:
        raise NotFound("Not Found")
    return FileResponse(_ASSETS[name] / name, headers=_CACHE)
