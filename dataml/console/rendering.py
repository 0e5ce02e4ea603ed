"""Renders the console's templates, and writes values as people read them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup, escape

from dataml import __version__
from dataml.console import assets, code, job_text

_CUT_AFTER: Final = 80
_TITLE_CHARACTERS: Final = 300
_LARGE, _HUGE = 9999.5, 1e15
_UNITS: Final = ("B", "KB", "MB", "GB", "TB")


@cache
def environment() -> Environment:
    """Return the Jinja environment of the console. Everything that is not `Markup` is escaped."""
    made = Environment(
        # The texts about metrics are those of the report on paper.
        loader=ChoiceLoader(
            (PackageLoader("dataml.console"), PrefixLoader({"report": PackageLoader("dataml.ml.report")}))
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.filters |= {
        "time": time,
        "number": number,
        "percent": percent,
        "score": score,
        "size": size,
        "duration": duration,
        "cell": cell,
        "short": short,
        "edge": edge,
        "bars": bars,
    }
    made.globals |= {"asset": assets.url, "version": __version__, "code": code, "url": url, "job_text": job_text}
    return made


def url(path: str, **query: Any) -> str:
    """Return a path with a query; values that are None or empty are left out."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def time(value: str | None) -> Markup:
    """Return a time of the API as `<time>`: in UTC, which a script turns into the reader's own."""
    if not value:
        return Markup("—")
    moment = datetime.fromisoformat(value).astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        moment.isoformat(timespec="seconds"), moment.strftime("%Y-%m-%d %H:%M")
    )


def number(value: float | None) -> Markup:
    """Return a number, grouped by thousands, as `<data>`, which a script writes as the reader's language does."""
    if value is None:
        return Markup("—")
    shown = f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    return Markup('<data value="{}" data-number>{}</data>').format(value, shown)


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal place."""
    return "—" if value is None else f"{100 * value:.1f}%"


def score(value: float | None) -> str:
    """Return a score with four significant digits, a large one as a whole number."""
    if value is None:
        return "—"
    return f"{value:,.0f}" if _LARGE <= abs(value) < _HUGE else f"{value:.4g}"


def size(value: float | None) -> str:
    """Return a number of bytes in the largest unit that keeps it at least 1."""
    if value is None:
        return "—"
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def duration(seconds: float | None) -> str:
    """Return a time span in words, in at most two units."""
    if seconds is None:
        return "—"
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def cell(value: Any) -> Markup:
    """Return a value of a dataset as the content of a cell; a missing one is marked as such."""
    if value is None:
        return Markup('<span class="missing">missing</span>')
    if isinstance(value, bool):
        return Markup("true" if value else "false")
    return escape(value)


def short(value: Any, characters: int = _CUT_AFTER) -> Markup:
    """Return what `cell` does; long text is cut, and its beginning is shown on hovering."""
    if not isinstance(value, str) or len(value) <= characters:
        return cell(value)
    return Markup('<span title="{}">{}…</span>').format(value[:_TITLE_CHARACTERS], value[:characters])


def bars(
    counts: Sequence[float], width: float = 100.0, height: float = 24.0
) -> list[tuple[float, float, float, float]]:
    """Return the rectangles of a histogram in SVG: left, top, width and height, rounded to keep pages small."""
    step = width / max(len(counts), 1)
    largest = max(counts, default=0) or 1
    return [
        (
            round(place * step, 2),
            round(height - height * count / largest, 2),
            round(step * 0.92, 2),
            round(height * count / largest, 2),
        )
        for place, count in enumerate(counts)
    ]


def edge(value: Any) -> str:
    """Return a bound of values: a number with six significant digits, a time as it is."""
    if value is None:
        return "—"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
