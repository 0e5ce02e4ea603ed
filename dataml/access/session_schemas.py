"""Answers of the calls for open sessions."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from dataml.access.models import Session


class SessionAnswer(BaseModel):
    """A session: a login, and all its tokens."""

    id: int
    user_id: int
    is_current: bool = Field(description="Whether this call was made in it.")
    network: str = Field(description="Where it was opened: an IPv4 address, or the /64 network of an IPv6 one.")
    permissions: list[str] | None = Field(description="What `scope` of the login has narrowed it to; null: to nothing.")
    created_at: datetime
    expires_at: datetime = Field(description="When it ends, unless it is refreshed before.")
    ended_at: datetime | None

    @classmethod
    def of(cls, session: Session, current_id: int | None) -> Self:
        """Return the answer for a session; `current_id` is that of the caller."""
        return cls(
            id=session.id,
            user_id=session.user_id,
            is_current=session.id == current_id,
            network=session.network,
            permissions=session.permissions,
            created_at=session.created_at,
            expires_at=session.expires_at,
            ended_at=session.ended_at,
        )


class SessionList(BaseModel):
    """A page of sessions."""

    total: int
    data: list[SessionAnswer]


class SessionsEnded(BaseModel):
    """The end of several sessions."""

    ended: int = Field(description="How many sessions have ended.")
