"""What users call their files, fit to show and to store; it never becomes part of a storage name."""

import unicodedata
from pathlib import PurePosixPath
from typing import Final

MAX_NAME_CHARACTERS: Final = 255
_MAX_SUFFIX_CHARACTERS: Final = 20
# Control and format characters (marks that turn the direction of text among them), surrogates, line separators.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def display_name(file_name: str) -> str:
    """What a user called a file, fit to show and to store: no folders, nothing unseen, 255 characters at most."""
    # Normalising takes time that grows with the square of the length.
    last = unicodedata.normalize("NFC", file_name[-4096:]).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(character for character in last if unicodedata.category(character) not in _UNSEEN).strip()
    if not name.strip("."):
        return "file"
    suffix = PurePosixPath(name).suffix
    kept = suffix if len(suffix) <= _MAX_SUFFIX_CHARACTERS else ""
    return name if len(name) <= MAX_NAME_CHARACTERS else name[: MAX_NAME_CHARACTERS - len(kept)] + kept
