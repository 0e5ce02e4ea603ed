"""When two spellings of a name are one name."""

import unicodedata


def display(name: str) -> str:
    """A name as it is kept: Unicode form NFKC, no spaces around it."""
    return unicodedata.normalize("NFKC", name).strip()


def key(name: str) -> str:
    """What all spellings of a name have in common: its characters, whatever their case and Unicode form."""
    # Case folding can undo the normal form, so it is made twice. PostgreSQL takes no NUL, no driver a lone surrogate.
    folded = unicodedata.normalize("NFKC", display(name).casefold())
    return folded.replace("\0", "\ufffd").encode(errors="replace").decode()


def is_printable(name: str) -> bool:
    """No control character, no invisible one, no line break; spaces are fine."""
    return all(unicodedata.category(letter)[0] not in "CZ" or letter == " " for letter in name)


def is_username(name: str) -> bool:
    """Letters, marks and digits of any script, and `. _ @ + -`: nothing that looks like nothing, no space."""
    return all(unicodedata.category(letter)[0] in "LMN" or letter in "._@+-" for letter in name)
