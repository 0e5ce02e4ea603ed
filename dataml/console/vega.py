"""Writes Vega, as one script for browsers, to the file that is named: `python -m dataml.console.vega FILE`."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

_SNIPPET: Final = "window.vegaEmbed = vegaEmbed;"


def main() -> None:
    """Bundle the script, and publish it at once: other processes may write the same file."""
    import vl_convert

    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(vl_convert.javascript_bundle(_SNIPPET))
    os.replace(file.name, path)


if __name__ == "__main__":
    main()
