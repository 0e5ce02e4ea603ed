"""The files that the pages load: styles and scripts of ours, and Vega out of the package that draws charts."""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import vl_convert
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dataml.errors import NotFound

PATH: Final = "/console/assets"
_FOLDER: Final = Path(str(files("dataml.console"))) / "static"
_VEGA: Final = "vega.js"
_TYPES: Final = {"console.css": "text/css", "console.js": "text/javascript", _VEGA: "text/javascript"}
# The path of an asset changes with its content.
_CACHE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_VEGA_SNIPPET: Final = "window.vegaEmbed = vegaEmbed;"


def url(name: str) -> str:
    """Return the path of an asset."""
    return f"{PATH}/{_digest(name)}/{name}"


async def send(request: Request) -> Response:
    """Send an asset, to be kept by the browser.

    Raises:
        NotFound: `not_found`; also a file of another version.
    """
    digest, name = request.path_params["digest"], request.path_params["name"]
    if name not in _TYPES or digest != _digest(name):
        raise NotFound("Not Found")
    content = await run_in_threadpool(_content, name)
    return Response(content, media_type=_TYPES[name], headers=_CACHE)


@cache
def _digest(name: str) -> str:
    content = (
        f"{vl_convert.get_vega_embed_version()}{vl_convert.get_vega_version()}{_VEGA_SNIPPET}".encode()
        if name == _VEGA
        else _content(name)
    )
    return hashlib.sha256(content).hexdigest()[:16]


@cache
def _content(name: str) -> bytes:
    if name == _VEGA:
        return vl_convert.javascript_bundle(_VEGA_SNIPPET).encode()
    return (_FOLDER / name).read_bytes()
