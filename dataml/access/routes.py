"""Login and token calls."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm

from dataml.access import service
from dataml.access.schemas import StatusAnswer, TokenAnswer, UserAnswer
from dataml.dependencies import AppServices, CurrentUser, Db

router = APIRouter(tags=["Login"])


@router.post("/login/access-token")
async def log_in(form: Annotated[OAuth2PasswordRequestForm, Depends()], services: AppServices) -> TokenAnswer:
    """Log in with a form; send the `access_token` as a bearer token with every other call."""
    return await service.log_in(services.database, services.settings, services.key, form.username, form.password)


@router.post("/login/test-token")
async def test_token(user: CurrentUser, database: Db) -> UserAnswer:
    """Who the bearer token belongs to."""
    return UserAnswer.model_validate(await service.get_user(database, user))


@router.get("/validate-token", tags=["Auth"])
async def validate_token(user: CurrentUser) -> StatusAnswer:
    """Whether the bearer token is good: 200, or 401 with the reason."""
    return StatusAnswer(status="success", message="Token is valid.")
