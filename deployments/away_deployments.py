"""Which own deployments take no requests: they are asked in the background until they do again."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

# A question waits in Serve's queue for a replica, and is answered as soon as one is up.
_ASK_TIMEOUT_S = 5.0
_ASK_AGAIN_S = 0.2
# A deployment that no request has asked for in this time is not asked any more, and forgotten.
_FORGET_AFTER_S = 30.0
log = logging.getLogger(__name__)


@dataclass
class _Away:
    asking: asyncio.Task[None]
    wanted_at: float


class AwayDeployments:
    """The applications whose deployments take no requests at the moment.

    No request waits for one of them. It is used again once it has answered a question that was asked apart.
    """

    def __init__(self) -> None:
        self._away: dict[str, _Away] = {}

    def __contains__(self, application: str) -> bool:
        """Return whether an application is away; that a request wants it keeps it being asked."""
        away = self._away.get(application)
        if away is not None:
            away.wanted_at = time.monotonic()
        return away is not None

    def __len__(self) -> int:
        """Return how many applications are away."""
        return len(self._away)

    def add(self, application: str, ask: Callable[[], Awaitable[object]]) -> None:
        """Add an application; it is removed once `ask` has returned something, or no request wants it any more."""
        if application not in self:
            log.warning("%s takes no requests; the pool answers in its place", application)
            task = asyncio.create_task(self._ask_until_up(application, ask))
            self._away[application] = _Away(task, time.monotonic())

    async def _ask_until_up(self, application: str, ask: Callable[[], Awaitable[object]]) -> None:
        try:
            while not await is_answered(ask, _ASK_TIMEOUT_S):
                if time.monotonic() > self._away[application].wanted_at + _FORGET_AFTER_S:
                    return
                await asyncio.sleep(_ASK_AGAIN_S)
            log.warning("%s takes requests again", application)
        finally:
            del self._away[application]


async def is_answered(ask: Callable[[], Awaitable[object]], timeout_s: float) -> bool:
    """Return whether a deployment answers a question in time."""
    try:
        async with asyncio.timeout(timeout_s):
            await ask()
    except (RayError, RayServeException, TimeoutError):
        return False
    return True
