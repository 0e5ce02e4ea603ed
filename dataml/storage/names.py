"""Display names of files, made from the names that users give them; never part of a storage name."""

import unicodedata
from pathlib import PurePosixPath
from typing import Final

MAX_NAME_CHARACTERS: Final = 255
_MAX_SUFFIX_CHARACTERS: Final = 20
# Control and format characters (marks that turn the direction of text among them), surrogates, line separators.
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def display_name(file_name: str) -> str:
    """Return the name that a user gave a file, without folders and invisible characters, of at most 255 characters."""
    # The time to normalise grows with the square of the length.
    last = unicodedata.normalize("NFC", file_name[-4096:]).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(
        character for character in last if unicodedata.category(character) not in _INVISIBLE_CATEGORIES
    ).strip()
    if not name.strip("."):
        return "file"
    suffix = PurePosixPath(name).suffix
    ending = suffix if len(suffix) <= _MAX_SUFFIX_CHARACTERS else ""
    return name if len(name) <= MAX_NAME_CHARACTERS else name[: MAX_NAME_CHARACTERS - len(ending)] + ending
