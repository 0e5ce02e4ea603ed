"""Numbers that are typed into forms, as the JSON of a request has them."""

import math
import re
from typing import Final

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,30}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?")


def parse_number(text: str) -> int | float | str:
    """Return the number that was typed; what is none is returned as it is, so that the API says what is wrong."""
    typed = text.strip()
    if _INTEGER.fullmatch(typed):
        return int(typed)
    if _DECIMAL.fullmatch(typed) and math.isfinite(number := float(typed)):
        return number
    return text
