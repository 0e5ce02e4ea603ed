"""Calls for the own API keys."""

from typing import Annotated

from fastapi import Depends, Query

from dataml.access import api_keys
from dataml.access.dependencies import LoggedIn
from dataml.access.models import ApiKey
from dataml.access.schemas import ApiKeyAnswer, ApiKeyCreated, ApiKeyList, CreateApiKey
from dataml.db.scope import Page
from dataml.http.dependencies import Db
from dataml.http.lists import Filter, ListQuery
from dataml.http.routing import SECRET_ANSWER, Router

router = Router(prefix="/api-keys", tags=["API keys"])
ApiKeyPage = Annotated[
    Page,
    Depends(
        ListQuery(
            ApiKey,
            search=("name",),
            filters={"name": Filter("name")},
            sort=("id", "name", "created_at", "expires_at"),
            time="created_at",
        )
    ),
]


@router.post("", status_code=201, dependencies=[SECRET_ANSWER])
async def create_api_key(request: CreateApiKey, user: LoggedIn, database: Db) -> ApiKeyCreated:
    """Make a key for a service that calls the platform in your name. The answer is the only place that shows it.

    Since the platform does not store the key, it cannot answer again: an `Idempotency-Key` is ignored. After a lost
    answer, delete the key that `GET /api-keys/list` shows, and make another one.
    """
    async with database.transaction() as session:
        key, secret = await api_keys.create(session, user, request.name, request.permissions, request.expires_at)
    return ApiKeyCreated(**ApiKeyAnswer.of(key).model_dump(), key=secret)


@router.get("/list")
async def list_api_keys(
    user: LoggedIn,
    database: Db,
    page: ApiKeyPage,
    user_id: Annotated[int | None, Query(description="Whose; another's needs can_manage_users.")] = None,
) -> ApiKeyList:
    """List your keys, newest first, without their secrets."""
    async with database.reading() as session:
        total, keys = await api_keys.list_keys(session, user, page, user_id)
    return ApiKeyList(total=total, data=[ApiKeyAnswer.of(key) for key in keys])


@router.delete("/{key_id}")
async def revoke_api_key(key_id: int, user: LoggedIn, database: Db) -> ApiKeyAnswer:
    """Revoke a key: it is refused from the next request on. Another user's key needs can_manage_users."""
    async with database.transaction() as session:
        return ApiKeyAnswer.of(await api_keys.revoke(session, user, key_id))
