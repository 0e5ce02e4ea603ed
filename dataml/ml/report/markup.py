"""Pieces of an HTML page that nobody can break out of: text is escaped here and nowhere else."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

_MAX_ROWS: Final = 60
_MAX_CHARACTERS: Final = 2_000
# Colours of charts that follow the page's own, light or dark: Vega writes them, the style sheet replaces them.
INK, MUTED, LINE = "#010203", "#020304", "#030405"
_FONT: Final = "Helvetica, Arial, sans-serif"
_AXIS: Final = {"domainColor": LINE, "tickColor": LINE, "gridColor": LINE, "labelColor": MUTED, "titleColor": MUTED}
_CHART_STYLE: Final = {
    "background": None,
    "font": _FONT,
    "view": {"stroke": None},
    "axis": _AXIS | {"gridOpacity": 0.6, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 12},
    "legend": {"labelColor": MUTED, "titleColor": MUTED, "labelFontSize": 12},
    "title": {"color": INK, "fontSize": 14, "anchor": "start", "offset": 12},
    "text": {"color": INK},
    "bar": {"color": "#2a78d6"},
}


class Html(str):
    """Markup, as opposed to text that has to be escaped."""


def html(value: object) -> Html:
    """A value as it is shown: text escaped, numbers short, nothing as a dash; what has parts as a table."""
    if isinstance(value, Html):
        return value
    if value is None or value == [] or value == () or value == {}:
        return Html("—")
    if isinstance(value, bool):
        return Html("yes" if value else "no")
    if isinstance(value, int | float):
        return Html(number(value))
    if isinstance(value, Mapping):
        return facts(value.items(), "inner")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _listed(value)
    return Html(escape(_short(str(value))))


def number(value: float) -> str:
    """Four significant digits, and whole numbers whole."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.4e}"


def element(name: str, content: object, class_name: str = "") -> Html:
    attribute = f' class="{escape(class_name)}"' if class_name else ""
    return Html(f"<{name}{attribute}>{html(content)}</{name}>")


def joined(parts: Iterable[Html]) -> Html:
    return Html("\n".join(parts))


def section(title: str, *parts: Html) -> Html:
    """Nothing when there is nothing in it."""
    content = joined(part for part in parts if part)
    return Html(f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>") if content else Html("")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], class_name: str = "") -> Html:
    """Numbers stand to the right."""

    def cell(value: object) -> Html:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return element("td", value, "number" if is_number or value is None else "")

    head = "".join(element("th", name) for name in heads)
    body = joined(element("tr", Html("".join(cell(value) for value in row))) for row in rows)
    shown = Html(f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>")
    return element("div", shown, f"scroll {class_name}".strip())


def facts(pairs: Iterable[tuple[str, object]], class_name: str = "facts") -> Html:
    """Names and what they are; of many, the first."""
    every = list(pairs)
    rows = [f"<dt>{html(name)}</dt><dd>{html(value)}</dd>" for name, value in every[:_MAX_ROWS]]
    if len(every) > _MAX_ROWS:
        rows.append(f"<dt></dt><dd>and {len(every) - _MAX_ROWS:,} more</dd>")
    return element("dl", Html("\n".join(rows)), class_name)


def chart(specification: Mapping[str, Any], number: int) -> Html:
    """The `number`-th chart of a page, drawn. Nothing is loaded for it, whatever it names."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(
        dict(specification), vl_version=_vega_lite(), config=_CHART_STYLE, allowed_base_urls=[]
    )
    # Each picture counts its clipping paths from 0, and a page has one of each name.
    svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>chart{number}-", svg)
    return element("figure", Html(svg))


def _vega_lite() -> str:
    """The newest version 5 there is: the one the specifications are written for."""
    import vl_convert

    versions = [version for version in vl_convert.get_vegalite_versions() if version.startswith("5.")]
    return max(versions, key=lambda version: int(version.split(".")[1]))


def _listed(values: Sequence[Any]) -> Html:
    if all(isinstance(value, Mapping) for value in values):
        heads = list(dict.fromkeys(str(name) for value in values for name in value))
        rows = table(heads, ([value.get(name) for name in heads] for value in values[:_MAX_ROWS]))
        more = f"and {len(values) - _MAX_ROWS:,} more" if len(values) > _MAX_ROWS else ""
        return Html(rows + (element("p", more, "note") if more else ""))
    if any(isinstance(value, Mapping | list | tuple) for value in values):
        return Html(escape(_short(json.dumps(values, ensure_ascii=False, default=str))))
    shown = ", ".join(html(value) for value in values[:_MAX_ROWS])
    return Html(shown + (f", and {len(values) - _MAX_ROWS:,} more" if len(values) > _MAX_ROWS else ""))


def _short(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
