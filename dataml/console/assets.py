"""The files that the pages load: styles and scripts of ours, and Vega out of the package that draws charts."""

import asyncio
import hashlib
import sys
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from dataml.console import vega
from dataml.errors import NotFound, Unavailable
from dataml.settings import Settings

PATH: Final = "/console/assets"
_FOLDER: Final = Path(str(files("dataml.console"))) / "static"
_VEGA: Final = "vega.js"
_TYPES: Final = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "model.js": "text/javascript",
    "training.css": "text/css",
    "training.js": "text/javascript",
    "upload.js": "text/javascript",
    _VEGA: "text/javascript",
}
# The path of an asset changes with its content.
_CACHE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_bundling = asyncio.Lock()


def url(name: str) -> str:
    """Return the path of an asset."""
    return f"{PATH}/{_digest(name)}/{name}"


async def send(request: Request) -> Response:
    """Send an asset, to be kept by the browser.

    Raises:
        NotFound: `not_found`; also a file of another version.
        Unavailable: `chart_library_unavailable`: Vega could not be bundled.
    """
    digest, name = request.path_params["digest"], request.path_params["name"]
    if name not in _TYPES or digest != _digest(name):
        raise NotFound("Not Found")
    path = await _bundle(request.app.state.settings) if name == _VEGA else _FOLDER / name
    return FileResponse(path, media_type=_TYPES[name], headers=_CACHE)


async def _bundle(settings: Settings) -> Path:
    """Return the file of Vega, which is made once an installation: that takes seconds of a processor."""
    path = settings.root / "cache" / f"vega-{_digest(_VEGA)}.js"
    async with _bundling:
        if not path.exists():
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", vega.__name__, str(path))
            if await process.wait() != 0:
                raise Unavailable("The library of charts could not be made.", code="chart_library_unavailable")
    return path


@cache
def _digest(name: str) -> str:
    content = version("vl-convert-python").encode() if name == _VEGA else (_FOLDER / name).read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]
