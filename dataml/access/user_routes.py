"""User calls."""

from typing import Annotated

from fastapi import Depends

from dataml.access import users
from dataml.access.dependencies import CallerAuthenticator, UserManager
from dataml.access.models import User
from dataml.access.schemas import CreateUser, UpdateUser, UserAnswer, UserList
from dataml.db.scope import Page
from dataml.http.dependencies import Db
from dataml.http.lists import Filter, ListQuery
from dataml.http.routing import Router

router = Router(prefix="/users", tags=["User"])
UserPage = Annotated[
    Page,
    Depends(
        ListQuery(
            User,
            search=("username", "email", "first_name", "last_name"),
            filters={
                "username": Filter("username"),
                "name": Filter("username", description="The same as `username`."),
                "email": Filter("email"),
                "is_active": Filter("is_active", bool),
            },
            sort=("id", "username", "email", "created_at"),
            time="created_at",
        )
    ),
]


@router.post("/create-user", status_code=201)
async def create_user(
    request: CreateUser, user: UserManager, database: Db, authenticator: CallerAuthenticator
) -> UserAnswer:
    """Make a user, with roles that hold no more than you do."""
    created = await users.create(database, authenticator, user, request)
    return UserAnswer.of(created.user, created.roles)


@router.get("/read-users")
async def list_users(user: UserManager, database: Db, page: UserPage) -> UserList:
    """List the users of the tenant, in the order they were made."""
    async with database.reading() as session:
        total, rows = await users.list_users(session, user.scope, page)
    return UserList(data=[UserAnswer.of(row.user, row.roles) for row in rows], count=total)


@router.get("/{user_id}")
async def get_user(user_id: int, user: UserManager, database: Db) -> UserAnswer:
    """Show one user of the tenant."""
    async with database.reading() as session:
        row = await users.get(session, user.scope, user_id)
    return UserAnswer.of(row.user, row.roles)


@router.put("/{user_id}")
async def update_user(user_id: int, request: UpdateUser, user: UserManager, database: Db) -> UserAnswer:
    """Change a user, deactivate or reactivate them."""
    async with database.transaction() as session:
        row = await users.update(session, user, user_id, request)
    return UserAnswer.of(row.user, row.roles)
