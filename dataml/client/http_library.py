"""httpx without its own command line, which the client does not use.

`import httpx` also imports `httpx._main`, and with it rich, pygments and click, wherever these are installed: about 90
modules of 330, and a third of the time that importing the client takes. httpx does without that module where its
packages are missing.
"""

import sys
from typing import Final

_COMMAND_LINE: Final = "httpx._main"

if "httpx" in sys.modules:
    import httpx
else:
    # None makes the import fail as if there were no such module.
    sys.modules.setdefault(_COMMAND_LINE, None)  # type: ignore[arg-type]
    try:
        import httpx
    finally:
        sys.modules.pop(_COMMAND_LINE, None)

__all__ = ["httpx"]
