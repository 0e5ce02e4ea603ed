"""Text that is shown on a terminal."""


def printable(text: str) -> str:
    """Return text with its control characters, which could change the terminal, escaped."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
