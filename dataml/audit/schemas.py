"""Answers of the audit log."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dataml.audit.service import Outcome


class AuditRow(BaseModel):
    """One event of the audit log."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    tenant_id: str
    user_id: int | None = Field(description="Who; null for a login that failed.")
    username: str | None
    action: str = Field(examples=["role.grant"])
    subject: str | None = Field(description="On what.", examples=["user:7"])
    outcome: Outcome
    address: str | None = Field(description="From where.")
    request_id: str | None
    detail: dict[str, Any] | None = Field(description="What changed; never a secret.")


class AuditList(BaseModel):
    """A page of the audit log."""

    total: int
    data: list[AuditRow]
