"""Names of predictors: any printable text, and the name that stands for it in URLs and names of files."""

import re
import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import names
from dataml.db.scope import Scope
from dataml.errors import Conflict
from dataml.train.models import Training

MAX_CHARACTERS: Final = 100
_URL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_OTHER: Final = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
# Room for a number behind it.
_MAX_DERIVED: Final = 90


def _check(value: str) -> str:
    name = names.printable_display(value, MAX_CHARACTERS)
    if name is None:
        raise ValueError(f"the name of a predictor has 1 to {MAX_CHARACTERS} printable characters")
    return name


PredictorName = Annotated[str, Field(max_length=names.MAX_CHARACTERS), AfterValidator(_check)]
"""Any printable text, in Unicode form NFKC and without spaces around it."""


def derive_url_name(name: str) -> str:
    """Return the name of a predictor if a URL can hold it, else the nearest text of letters, digits and `. _ -`."""
    if _URL_NAME.fullmatch(name):
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _OTHER.sub("-", plain).strip("-._")[:_MAX_DERIVED].rstrip("-._") or "predictor"


async def resolve_url_name(session: AsyncSession, scope: Scope, name: str) -> str:
    """Return the name of a predictor in URLs: that of its versions, or a new one that no other predictor has.

    Called while the tenant is locked, so that two new predictors do not get one name.

    Raises:
        Conflict: `url_name_exists`: the name itself is the one of another predictor in URLs.
    """
    versions = scope.select_columns(Training, Training.url_name).where(Training.predictor_name == name)
    if (known := await session.scalar(versions.limit(1))) is not None:
        return known
    derived = derive_url_name(name)
    alike = Training.url_name.startswith(derived, autoescape=True)
    taken = set(await session.scalars(scope.select_columns(Training, Training.url_name).where(alike)))
    if derived not in taken:
        return derived
    if derived == name:
        detail = f"{name!r} is the name of another predictor in URLs; choose another one."
        raise Conflict(detail, code="url_name_exists")
    return next(numbered for number in range(2, len(taken) + 3) if (numbered := f"{derived}-{number}") not in taken)
