"""Charts of the client itself: bars as SVG in a notebook, and as text elsewhere. They need no library."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_BAR_HEIGHT: Final = 22
_LABEL_WIDTH: Final = 200
_BARS_WIDTH: Final = 380
_TEXT_BARS: Final = 40


class BarChart:
    """Horizontal bars, one a name, the largest first."""

    def __init__(self, values: Mapping[str, float], title: str) -> None:
        self.values = dict(sorted(values.items(), key=lambda item: -item[1]))
        self.title = title

    def to_svg(self) -> str:
        """Return the chart as a picture."""
        largest = max(self.values.values(), default=0.0) or 1.0
        height = _BAR_HEIGHT * (len(self.values) + 1) + 8
        parts = [_text(0, 16, self.title, weight="bold")]
        for index, (name, value) in enumerate(self.values.items(), start=1):
            top = index * _BAR_HEIGHT + 4
            width = max(value / largest, 0.0) * _BARS_WIDTH
            label = name if len(name) <= 28 else name[:27] + "…"
            parts.append(_text(0, top + 14, label))
            place = f'x="{_LABEL_WIDTH}" y="{top + 2}" width="{width:.1f}" height="{_BAR_HEIGHT - 6}"'
            parts.append(f'<rect {place} fill="#3b6fb6"/>')
            parts.append(_text(_LABEL_WIDTH + width + 6, top + 14, f"{value:.3g}"))
        total_width = _LABEL_WIDTH + _BARS_WIDTH + 70
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width} {height}" '
            f'width="{total_width}" height="{height}">{"".join(parts)}</svg>'
        )

    def save(self, path: str | Path) -> Path:
        """Write the chart as an SVG file, and return its path."""
        path = Path(path)
        path.write_text(self.to_svg())
        return path

    def __str__(self) -> str:
        largest = max(self.values.values(), default=0.0) or 1.0
        width = max((len(name) for name in self.values), default=0)
        lines = [
            f"{name.ljust(width)}  {'█' * round(_TEXT_BARS * max(value, 0.0) / largest)} {value:.3g}"
            for name, value in self.values.items()
        ]
        return "\n".join([self.title, *lines])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.to_svg()


class Picture:
    """A picture that the platform has drawn, as PNG."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file, and return its path."""
        path = Path(path)
        path.write_bytes(self.content)
        return path

    def _repr_png_(self) -> bytes:
        return self.content


def _text(x: float, y: float, content: str, weight: str = "normal") -> str:
    style = f'font-family="sans-serif" font-size="12" font-weight="{weight}" fill="#333"'
    return f'<text x="{x:.1f}" y="{y}" {style}>{html.escape(content)}</text>'
