"""The own account: the user, their password, their API keys, and their sessions."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from dataml.console import listing, session
from dataml.console.api import Api, ApiError
from dataml.console.visit import SIGN_IN, Visit, session_seconds, tokens_of

TABS: Final = (
    ("account", "Account", "/account"),
    ("keys", "API keys", "/account/keys"),
    ("sessions", "Sessions", "/account/sessions"),
)
_KEY_LIFE: Final = timedelta(days=90)


async def show(visit: Visit) -> Response:
    """Show who has signed in, what they may do, and the form of a new password."""
    return await _show(visit)


async def change_password(visit: Visit) -> Response:
    """Set the own password. All sessions end; this browser gets a new one."""
    form = await visit.request.form()
    username, new_password = visit.principal.username, str(form.get("new_password", ""))
    if new_password != form.get("repeated"):
        return await _show(visit, failure="The two new passwords are not the same.", status=422)
    sent = {
        "user_name": username,
        "new_password": new_password,
        "current_password": str(form.get("current_password", "")),
    }
    try:
        await visit.api.call("POST", "/reset-password", form=sent)
    except ApiError as error:
        return await _show(visit, error=error, status=error.status)
    try:
        credentials = {"username": username, "password": new_password}
        answer = await Api(visit.request, None).call("POST", "/login/access-token", form=credentials)
    except ApiError:
        # The throttle of logins may refuse this one. The password is changed all the same.
        return visit.redirect(SIGN_IN)
    response = visit.redirect("/account", notice="The password is changed. All other sessions have ended.")
    session.keep(response, visit.request, tokens_of(answer), session_seconds(visit.request))
    return response


async def show_keys(visit: Visit) -> Response:
    """Show the own API keys, and the form of a new one."""
    return await _show_keys(visit)


async def create_key(visit: Visit) -> Response:
    """Make an API key, and show it this once."""
    form = await visit.request.form()
    permissions = [str(name) for name in form.getlist("permissions")]
    typed = {"name": str(form.get("name", "")), "expires": str(form.get("expires", "")), "permissions": permissions}
    body: dict[str, Any] = {"name": typed["name"], "permissions": permissions}
    if typed["expires"]:
        # The whole day counts.
        body["expires_at"] = f"{typed['expires']}T23:59:59Z"
    try:
        created = await visit.api.call("POST", "/api-keys", body=body)
    except ApiError as error:
        return await _show_keys(visit, typed=typed, error=error, status=error.status)
    # The secret is in no address, so it is shown by the answer itself.
    return await _show_keys(visit, created=created)


async def revoke_key(visit: Visit) -> Response:
    """Revoke an API key."""
    await visit.api.call("DELETE", f"/api-keys/{visit.request.path_params['key_id']}")
    return visit.redirect("/account/keys", notice="The key is revoked: it is refused from now on.")


async def show_sessions(visit: Visit) -> Response:
    """Show the own sessions that are open."""
    rows = await listing.read(visit.request, visit.api, "/sessions/list", ())
    return visit.render("account_sessions.html", tabs=TABS, listing=rows)


async def end_session(visit: Visit) -> Response:
    """End one of the own sessions."""
    await visit.api.call("DELETE", f"/sessions/{visit.request.path_params['session_id']}")
    return visit.redirect("/account/sessions", notice="The session has ended.")


async def end_other_sessions(visit: Visit) -> Response:
    """End all own sessions but that of this browser."""
    answer = await visit.api.call("DELETE", "/sessions")
    return visit.redirect("/account/sessions", notice=f"Sessions that have ended: {answer['ended']}.")


async def _show(
    visit: Visit, *, failure: str | None = None, error: ApiError | None = None, status: int = 200
) -> Response:
    user = await visit.api.call("POST", "/login/test-token")
    return visit.render("account.html", status, tabs=TABS, user=user, failure=failure, error=error)


async def _show_keys(
    visit: Visit,
    *,
    typed: Mapping[str, Any] | None = None,
    error: ApiError | None = None,
    created: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Response:
    rows = await listing.read(visit.request, visit.api, "/api-keys/list", (), page="/account/keys")
    now = datetime.now(UTC)
    if typed is None:
        expires = (now + _KEY_LIFE).date().isoformat()
        typed = {"name": "", "expires": expires, "permissions": ["can_predict"]}
    return visit.render(
        "account_keys.html",
        status,
        tabs=TABS,
        listing=rows,
        now=now.isoformat(),
        typed=typed,
        error=error,
        created=created,
        may_grant=sorted(visit.principal.permissions),
    )
