"""An empty Serve application, started the way `dataml up` starts the platform: the floor of any start-up time."""

import sys
from pathlib import Path

from deployments import platform


def build():
    from ray import serve

    @serve.deployment
    class Empty:
        async def __call__(self) -> str:
            return "ok"

    return Empty.bind()


if __name__ == "__main__":
    platform.run(Path(sys.argv[1]), int(sys.argv[2]), build, on_ready=lambda: print("ready", flush=True))
