"""An empty Serve application, started as `dataml up` starts the platform: the lower bound of any start-up time."""

import sys
from pathlib import Path

from deployments import platform


def build():
    """Return an application of one deployment that answers `ok`."""
    from ray import serve

    @serve.deployment
    class Empty:
        async def __call__(self) -> str:
            return "ok"

    return Empty.bind()


if __name__ == "__main__":
    home, port = Path(sys.argv[1]).absolute(), int(sys.argv[2])
    with platform.hold_home(home, "127.0.0.1", port):
        platform.run(home, port, build, on_ready=lambda: print("ready", flush=True))
