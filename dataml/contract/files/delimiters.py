"""The delimiter of a CSV file as a user says it."""

from typing import Final

from dataml.errors import Invalid

DELIMITER_NAMES: Final = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "\\t": "\t",
    "pipe": "|",
    "space": " ",
}


def parse_delimiter(text: str) -> str:
    """Return the delimiter that a name or a character means.

    Raises:
        Invalid: `unknown_delimiter`: it is no ASCII character, or one that fields have: a letter, a digit, a quote, a
            line break, NUL.
    """
    delimiter = DELIMITER_NAMES.get(text.strip().lower(), text)
    is_usable = len(delimiter) == 1 and delimiter.isascii() and not delimiter.isalnum() and delimiter not in '"\r\n\0'
    if not is_usable:
        detail = (
            f"The delimiter {text[:40]!r} cannot be used; send one of comma, semicolon, tab, pipe and space, or one "
            "ASCII character that is no letter, digit, quote or line break."
        )
        raise Invalid(detail, code="unknown_delimiter")
    return delimiter
