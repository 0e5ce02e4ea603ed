"""An HTML page as a browser reads it: its elements and its texts, and whatever in it would load or run."""

from collections import Counter
from html.parser import HTMLParser

_LOADING = ("src", "srcset", "href", "xlink:href", "data", "action", "poster", "background")


class Page(HTMLParser):
    """`texts` are the stripped pieces of text, in order; `opened` the names of elements with how many there are."""

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
        return self.opened[name]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened[tag] += 1
        if tag not in ("meta", "br", "link", "img", "input"):
            self._depth.append(tag)
        for name, value in attrs:
            if name in _LOADING and not (value or "").startswith("#"):
                self.loads.append(f"{tag} {name}={value}")
            if name.startswith("on"):
                self.handlers.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._depth and self._depth[-1] == tag:
            self._depth.pop()
        else:
            self.unclosed.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))
