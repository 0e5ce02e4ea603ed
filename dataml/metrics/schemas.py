"""The JSON of metrics in answers of the API."""

from dataclasses import asdict
from typing import Self

from pydantic import BaseModel, Field

from dataml.metrics.totals import RecentCalls


class VersionCalls(BaseModel):
    """The calls of a version in the last five minutes, by whatever way; they may be five seconds old."""

    requests: int = Field(description="Calls of the model in real time.")
    errors: int = Field(description="Those that were answered with an error, of the caller or of the platform.")
    p50_ms: float | None = Field(description="Half of them took less, in milliseconds; null without calls.")
    p99_ms: float | None = Field(description="99 of 100 took less, in milliseconds; null without calls.")

    @classmethod
    def from_metrics(cls, recent_calls: RecentCalls) -> Self:
        """Return what the metrics of the platform say of a version."""
        return cls(**asdict(recent_calls))
