"""HTML pages parsed into elements, texts, and whatever would load or run."""

from collections import Counter
from html.parser import HTMLParser

_LOADING_ATTRIBUTES = ("src", "srcset", "href", "xlink:href", "data", "action", "poster", "background")


class Page(HTMLParser):
    """An HTML page as a browser reads it.

    Attributes:
        opened: How many elements of each name there are.
        texts: The texts between tags, in order, with white space collapsed.
        loads: The elements that would load something from elsewhere.
        handlers: The attributes that would run a script.
        unclosed: The elements that are not closed, or closed without having been opened.
    """

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.opened: Counter[str] = Counter()
        self.texts: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self._depth: list[str] = []
        self.unclosed: list[str] = []
        self.feed(markup)
        self.close()
        self.unclosed += self._depth

    def count(self, name: str) -> int:
        """Return how many elements have this name."""
        return self.opened[name]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element, and what it would load or run."""
        self.opened[tag] += 1
        if tag not in ("meta", "br", "link", "img", "input"):
            self._depth.append(tag)
        for name, value in attrs:
            if name in _LOADING_ATTRIBUTES and not (value or "").startswith("#"):
                self.loads.append(f"{tag} {name}={value}")
            if name.startswith("on"):
                self.handlers.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element that closes itself."""
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, or record that the end does not fit it."""
        if self._depth and self._depth[-1] == tag:
            self._depth.pop()
        else:
            self.unclosed.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        """Record a text."""
        if data.strip():
            self.texts.append(" ".join(data.split()))
