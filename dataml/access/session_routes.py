"""Calls for the sessions that are open."""

from typing import Annotated

from fastapi import Depends, Query

from dataml.access import open_sessions
from dataml.access.dependencies import LoggedIn
from dataml.access.models import Session
from dataml.access.session_schemas import SessionAnswer, SessionList, SessionsEnded
from dataml.db.scope import Page
from dataml.http.dependencies import Db
from dataml.http.lists import ListQuery
from dataml.http.routing import Router

router = Router(prefix="/sessions", tags=["Login"])
SessionPage = Annotated[Page, Depends(ListQuery(Session, sort=("id", "created_at", "expires_at"), time="created_at"))]
UserId = Annotated[int | None, Query(description="Whose; another's needs can_manage_users.")]


@router.get("/list")
async def list_sessions(user: LoggedIn, database: Db, page: SessionPage, user_id: UserId = None) -> SessionList:
    """List your open sessions, newest first: each is a login that has not ended."""
    async with database.reading() as session:
        total, rows = await open_sessions.list_open(session, user, page, user_id)
    return SessionList(total=total, data=[SessionAnswer.of(row, user.session_id) for row in rows])


@router.delete("/{session_id}")
async def end_session(session_id: int, user: LoggedIn, database: Db) -> SessionAnswer:
    """End a session: its tokens are refused from the next request on. Another user's needs can_manage_users."""
    async with database.transaction() as session:
        return SessionAnswer.of(await open_sessions.end(session, user, session_id), user.session_id)


@router.delete("")
async def end_other_sessions(user: LoggedIn, database: Db, user_id: UserId = None) -> SessionsEnded:
    """End all your sessions but the one that calls, or all those of another user. API keys stay valid."""
    async with database.transaction() as session:
        return SessionsEnded(ended=await open_sessions.end_others(session, user, user_id))
