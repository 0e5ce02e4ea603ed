"""Numbers, times and texts as a report shows them; most of these functions are filters of the templates."""

from typing import Final

from markupsafe import Markup

MISSING: Final = "—"
MAX_CHARACTERS: Final = 2_000


def format_number(value: float | None) -> str:
    """Return a number with four significant digits, or without decimals when it is whole or large."""
    if value is None:
        return MISSING
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.4e}"


def format_score(value: float | None) -> str:
    """Return a score with three decimals, which line up in a column; larger and smaller ones take four digits."""
    if value is None:
        return MISSING
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 10 else f"{value:.4g}"


def format_percent(share: float | None) -> str:
    """Return a share from 0 to 1 as a percentage with one decimal."""
    return MISSING if share is None else f"{share:.1%}"


def format_level(share: float) -> str:
    """Return the level of an interval or a quantile, from 0 to 1, as a percentage without needless zeros."""
    return f"{100 * share:.4g}%"


def format_timestamp(text: str) -> str:
    """Return an ISO 8601 time, such as `2024-08-08T10:11:12Z`, as `2024-08-08 10:11 UTC`; other text as it is."""
    return f"{text[:10]} {text[11:16]} UTC" if text.endswith("Z") and "T" in text else text


def shorten(value: object) -> object:
    """Return a text cut to `MAX_CHARACTERS`, and everything else, markup among it, unchanged."""
    if not isinstance(value, str) or isinstance(value, Markup) or len(value) <= MAX_CHARACTERS:
        return value
    return value[: MAX_CHARACTERS - 1] + "…"
