"""What login and token calls answer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TokenAnswer(BaseModel):
    access_token: str = Field(description="JWT to send as `Authorization: Bearer <access_token>`.")
    refresh_token: str = Field(description="Opaque secret that stands for the whole session; keep it safe.")
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds until the access token expires.")


class UserAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    tenant_id: str
    first_name: str | None
    last_name: str | None
    email: str | None
    username: str
    is_active: bool


class StatusAnswer(BaseModel):
    status: str = Field(examples=["success"])
    message: str
