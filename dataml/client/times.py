"""Times as the API takes them."""

from datetime import UTC, datetime


def to_iso(time: datetime | str | None) -> str | None:
    """Return a time as ISO 8601, in UTC where it has no zone; text and None stay as they are."""
    if not isinstance(time, datetime):
        return time
    return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).isoformat()
