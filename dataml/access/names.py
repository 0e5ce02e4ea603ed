"""Names: how they are stored, and when two spellings are the same name."""

import hashlib
import re
import unicodedata
from typing import Final

# Normalising can be made to take time that grows with the square of the length.
MAX_CHARACTERS: Final = 1000
# Letters and marks without a visible form: default-ignorable code points outside the categories C and Z, and the
# blank pattern of Braille (Unicode, DerivedCoreProperties).
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def display(name: str) -> str:
    """Return a name of at most `MAX_CHARACTERS` as it is stored: Unicode form NFKC, no spaces around it."""
    return unicodedata.normalize("NFKC", name).strip()


def key(name: str) -> str:
    """Return the key that all spellings of a name share, whatever their case and Unicode form."""
    if len(name) > MAX_CHARACTERS:
        # No name is that long, and no two such texts are the same name.
        return "\ufffd" + hashlib.sha256(name.encode(errors="replace")).hexdigest()
    # Case folding can undo the normal form, so it is applied twice.
    folded = unicodedata.normalize("NFKC", display(name).casefold())
    # PostgreSQL takes no NUL, and no driver a lone surrogate.
    return folded.replace("\0", "\ufffd").encode(errors="replace").decode()


def is_printable(name: str) -> bool:
    """Return whether a name has no control character, no invisible one and no line break; spaces are allowed."""
    if _INVISIBLE.search(name):
        return False
    return all(unicodedata.category(letter)[0] not in "CZ" or letter == " " for letter in name)


def printable_display(name: str, max_characters: int) -> str | None:
    """Return a name as it is stored, or None unless it then has 1 to `max_characters` printable characters."""
    if len(name) > MAX_CHARACTERS:
        return None
    shown = display(name)
    return shown if 1 <= len(shown) <= max_characters and is_printable(shown) else None


def is_username(name: str) -> bool:
    """Return whether a name has letters, marks and digits of any script, and `. _ @ + -` only: nothing invisible."""
    if _INVISIBLE.search(name):
        return False
    return all(unicodedata.category(letter)[0] in "LMN" or letter in "._@+-" for letter in name)
