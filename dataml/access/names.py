"""When two spellings of a name are one name."""

import hashlib
import re
import unicodedata
from typing import Final

# Normalising takes time that grows with the square of the length, where somebody means it to.
MAX_CHARACTERS: Final = 1000
# Letters and marks that are drawn as nothing: default-ignorable code points outside the categories C and Z, and the
# blank pattern of Braille (Unicode, DerivedCoreProperties).
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def display(name: str) -> str:
    """A name of at most `MAX_CHARACTERS` as it is kept: Unicode form NFKC, no spaces around it."""
    return unicodedata.normalize("NFKC", name).strip()


def key(name: str) -> str:
    """What all spellings of a name have in common: its characters, whatever their case and Unicode form."""
    if len(name) > MAX_CHARACTERS:
        # Nobody has it, and no two such names are one.
        return "\ufffd" + hashlib.sha256(name.encode(errors="replace")).hexdigest()
    # Case folding can undo the normal form, so it is made twice. PostgreSQL takes no NUL, no driver a lone surrogate.
    folded = unicodedata.normalize("NFKC", display(name).casefold())
    return folded.replace("\0", "\ufffd").encode(errors="replace").decode()


def is_printable(name: str) -> bool:
    """No control character, no invisible one, no line break; spaces are fine."""
    if _INVISIBLE.search(name):
        return False
    return all(unicodedata.category(letter)[0] not in "CZ" or letter == " " for letter in name)


def is_username(name: str) -> bool:
    """Letters, marks and digits of any script, and `. _ @ + -`: nothing that looks like nothing, no space."""
    if _INVISIBLE.search(name):
        return False
    return all(unicodedata.category(letter)[0] in "LMN" or letter in "._@+-" for letter in name)
