"""Login, session and token calls."""

from typing import Annotated, Final

from fastapi import Depends
from fastapi.security import OAuth2PasswordRequestForm

from dataml.access import users
from dataml.access.dependencies import OPEN, Caller, CallerAuthenticator, Keys, LoggedIn
from dataml.access.schemas import (
    CallerAnswer,
    DoneAnswer,
    RefreshRequest,
    ResetPassword,
    StatusAnswer,
    TokenAnswer,
    UserAnswer,
)
from dataml.access.secret_bodies import documented, secrets_in
from dataml.access.sessions import Sessions
from dataml.http.dependencies import AppSettings, Db, RequestOrigin
from dataml.http.routing import Router

router = Router(tags=["Login"])
_LOGIN: Final = {
    "requestBody": {
        "content": {
            "application/x-www-form-urlencoded": {"example": {"username": "ada", "password": "the password of ada"}}
        }
    }
}


async def _sessions(database: Db, settings: AppSettings, keys: Keys) -> Sessions:
    return Sessions(database, settings, keys)


InSessions = Annotated[Sessions, Depends(_sessions)]


@router.post("/login/access-token", dependencies=[OPEN], openapi_extra=_LOGIN)
async def log_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], sessions: InSessions, origin: RequestOrigin
) -> TokenAnswer:
    """Log in with a form; send the `access_token` as a bearer token with every other call.

    `scope` narrows the session to the permissions that it names, with a space between: of those the user holds the
    named ones, and nothing that only administrators of the platform may do. A refresh keeps it. A name that is no
    permission is refused, and so is a scope of which the user holds nothing.
    """
    return await sessions.log_in(form.username, form.password, origin, form.scopes)


@router.post("/login/test-token")
async def test_token(user: Caller, database: Db) -> CallerAnswer:
    """Show whose bearer token it is, and what it allows."""
    async with database.reading() as session:
        caller = await users.get(session, user.scope, user.user_id)
    answer = UserAnswer.of(caller.user, caller.roles)
    return CallerAnswer(**answer.model_dump(), permissions=sorted(user.permissions))


@router.post("/refresh", dependencies=[OPEN], openapi_extra=documented(RefreshRequest))
async def refresh_token(
    request: Annotated[RefreshRequest, Depends(secrets_in(RefreshRequest))], sessions: InSessions, origin: RequestOrigin
) -> TokenAnswer:
    """Exchange a refresh token for a new access token and a new refresh token.

    The old refresh token is invalid then. Using it again ends the session, except within 10 seconds, when the answer is
    the same.
    """
    return await sessions.refresh(request.refresh_token.get_secret_value(), origin)


@router.post("/logout", dependencies=[OPEN], openapi_extra=documented(RefreshRequest))
async def log_out(
    request: Annotated[RefreshRequest, Depends(secrets_in(RefreshRequest))], sessions: InSessions, origin: RequestOrigin
) -> DoneAnswer:
    """End the session of a refresh token: its access tokens are invalid from the next request on."""
    await sessions.log_out(request.refresh_token.get_secret_value(), origin)
    return DoneAnswer(message="User successfully logged out")


@router.post("/reset-password", openapi_extra=documented(ResetPassword))
async def reset_password(
    request: Annotated[ResetPassword, Depends(secrets_in(ResetPassword))],
    user: LoggedIn,
    database: Db,
    settings: AppSettings,
    authenticator: CallerAuthenticator,
) -> DoneAnswer:
    """Set the own password, with `current_password`, or another user's, with `can_manage_users`.

    All sessions of that user end.
    """
    await users.reset_password(
        database,
        settings,
        authenticator,
        user,
        request.user_name,
        request.new_password.get_secret_value(),
        request.current_password.get_secret_value() if request.current_password is not None else None,
    )
    return DoneAnswer(message="Password has been reset successfully")


@router.get("/validate-token")
async def validate_token(user: Caller) -> StatusAnswer:
    """Answer 200 when the bearer token is valid, else 401 with the reason."""
    return StatusAnswer(status="success", message="Token is valid.")
