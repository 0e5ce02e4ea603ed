"""Vega-Lite charts drawn as SVG, in colours that follow the page's own."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from markupsafe import Markup

from dataml.ml.vega_lite import RENDERER_VERSION

# Placeholders for colours of the page, light or dark: the style sheet replaces them.
_TEXT_COLOR, _MUTED_COLOR, _LINE_COLOR = "#010203", "#020304", "#030405"
_CHART_STYLE: Final = {
    "background": None,
    "font": "Helvetica, Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domainColor": _LINE_COLOR,
        "tickColor": _LINE_COLOR,
        "gridColor": _LINE_COLOR,
        "gridOpacity": 0.6,
        "labelColor": _MUTED_COLOR,
        "labelFontSize": 11,
        "titleColor": _MUTED_COLOR,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": _MUTED_COLOR, "titleColor": _MUTED_COLOR, "labelFontSize": 12},
    "title": {"color": _TEXT_COLOR, "fontSize": 14, "anchor": "start", "offset": 12},
    "text": {"color": _TEXT_COLOR},
    "bar": {"color": "#2a78d6"},
}


def draw_charts(specifications: Mapping[str, Any], names: Iterable[str]) -> tuple[Markup, ...]:
    """Draw the charts with these names that there are, in the order of the names."""
    return tuple(draw_chart(specifications[name], name) for name in names if name in specifications)


def draw_chart(specification: Mapping[str, Any], name: str) -> Markup:
    """Draw a Vega-Lite chart as an SVG element. Nothing is loaded for it, whatever address it names.

    `name` is unique in the page and a plain identifier: the ids of the picture begin with it, because those that Vega
    gives are the same in each picture.
    """
    import vl_convert

    svg = vl_convert.vegalite_to_svg(
        dict(specification), vl_version=RENDERER_VERSION, config=_CHART_STYLE, allowed_base_urls=[]
    )
    return Markup(re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", svg))
