"""Turns a module of the client that awaits into one that blocks."""

import io
import re
import tokenize
from typing import Final

_DROPPED: Final = frozenset({"async", "await"})
_RENAMED: Final = {
    "AsyncIterator": "Iterator",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "aclose": "close",
    "aio": "sync",
    "aiter_bytes": "iter_bytes",
    "aread": "read",
}
_AWAITABLE: Final = re.compile(r"\bAwaitable\[([^\[\]]*(?:\[[^\[\]]*\])?)\]")


def to_synchronous(source: str, name: str) -> str:
    """Return the source without `async` and `await`, and with the names of `dataml.client.sync`."""
    lines = [list(line) for line in source.splitlines(keepends=True)]
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(source).readline))):
        if token.type != tokenize.NAME:
            continue
        (row, begin), (_, end) = token.start, token.end
        if token.string in _DROPPED:
            # With the space behind it.
            lines[row - 1][begin : end + 1] = []
        elif token.string in _RENAMED:
            lines[row - 1][begin:end] = [_RENAMED[token.string]]
    text = "".join("".join(line) for line in lines)
    header = f"# Generated from dataml/client/aio/{name} by `make client`: change that file.\n"
    return header + _AWAITABLE.sub(r"\1", text)
