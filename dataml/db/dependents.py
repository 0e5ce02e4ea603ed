"""Dependents of a row: what the features that refer to it do before it is removed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db.scope import Scope

BeforeRemoval = Callable[[AsyncSession, Scope, Any], Awaitable[None]]
"""Called with the id of the row, in the transaction that removes it. Raises `Conflict` to refuse."""


class Dependents:
    """The handlers of features that refer to rows of features below them, registered when the application starts.

    A feature imports only what is below it. So the one that owns a row does not know who refers to it: it calls
    `release`, and each handler refuses the removal, or removes its own reference to the row. A lake table, which has no
    row, is removed in the same way; its id is an `OwnTable`.
    """

    def __init__(self, handlers: Mapping[type[object], Sequence[BeforeRemoval]]) -> None:
        self._handlers = handlers

    async def release(self, session: AsyncSession, scope: Scope, model: type[object], row_id: Any) -> None:
        """Run the handlers of a row that is about to be removed.

        Raises:
            Conflict: the row is in use.
        """
        for handler in self._handlers.get(model, ()):
            await handler(session, scope, row_id)
