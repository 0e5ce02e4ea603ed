"""Comparison of the times of failed logins: of an unknown user, and of a known one with a wrong password.

What takes longer for one of them reveals who exists. The tries alternate, so that what else the machine does meets both
alike. They go to the application in this process, without Ray and without a network.
"""

import asyncio
import os
import statistics
import time
from pathlib import Path
from typing import Any, cast

import httpx

from dataml.access.tokens import TokenKeys
from dataml.app import Services, create_app
from dataml.db.session import Database
from dataml.installation import ADMIN, prepare
from dataml.jobs.results import ResultHandlers
from dataml.settings import Settings, load_settings

_WARM_UP_TRIES = 20


def compare_failed_logins(folder: Path) -> None:
    """Print the 50th and 95th percentile of both, and their ratios. `TRIES` is another number of tries than 1,000."""
    tries = int(os.environ.get("TRIES", "1000"))
    unlimited = 100 * tries
    settings = load_settings(home=folder, login_failures=unlimited, address_login_failures=unlimited)
    prepare(settings)
    known, unknown = asyncio.run(_measure(settings, tries))
    for percentile in (50, 95):
        times = [statistics.quantiles(each, n=100)[percentile - 1] * 1000 for each in (unknown, known)]
        print(
            f"failed login, p{percentile} of {tries:,}: unknown user {times[0]:.2f} ms, "
            f"wrong password {times[1]:.2f} ms, ratio {times[0] / times[1]:.3f} (0.95 to 1.05)"
        )


async def _measure(settings: Settings, tries: int) -> tuple[list[float], list[float]]:
    """Return the times of tries with the name of a user and of nobody, in seconds."""
    database = Database(settings)
    # A login reaches neither the queue nor a model.
    nobody = cast(Any, None)
    keys = TokenKeys.load(settings.key_file)
    app = create_app(Services(settings, database, keys, nobody, nobody, ResultHandlers({})))
    times: dict[str, list[float]] = {ADMIN: [], "nobody": []}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dataml") as client:
        for turn in range(_WARM_UP_TRIES + tries):
            # The order alternates too: the second of a pair may find warmer caches.
            for name in list(times)[:: 1 if turn % 2 else -1]:
                started = time.perf_counter()
                form = {"username": name, "password": "another password"}
                answer = await client.post("/api/v1/login/access-token", data=form)
                times[name].append(time.perf_counter() - started)
                assert answer.status_code == 401, answer.text
    await database.close()
    return times[ADMIN][_WARM_UP_TRIES:], times["nobody"][_WARM_UP_TRIES:]
