"""What follows a commit: nothing that counts what was written may count what was rolled back."""

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session


def after_commit(session: AsyncSession, action: Callable[[], None]) -> None:
    """Call `action`, which must be fast and cannot fail, once the transaction of this session is committed."""

    def act(_: Session) -> None:
        action()

    event.listen(session.sync_session, "after_commit", act, once=True)
