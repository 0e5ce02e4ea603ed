"""Names of lake tables, for their tenant and in the catalog."""

import re
import uuid
from dataclasses import dataclass
from typing import Final

from dataml.errors import Invalid

SCHEMAS: Final = ("bronze", "silver", "gold", "default")
"""The schemas of every tenant: for raw rows, validated rows, predictions, and anything else."""

_TABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,127}", re.ASCII)


@dataclass(frozen=True)
class TableName:
    """A table by its names in the catalog."""

    namespace: str
    table: str


def tenant_namespace(tenant_id: str, schema: str) -> str:
    """Return the namespace in the catalog of one of a tenant's own schemas.

    It has one level, since not every catalog has more, and no name that a tenant chooses is part of it.

    Raises:
        ValueError: the schema is not one of `SCHEMAS`.
    """
    if schema not in SCHEMAS:
        raise ValueError(f"not a schema of a tenant: {schema}")
    return f"t_{uuid.UUID(tenant_id).hex}_{schema}"


def parse_table_name(text: str, schema: str) -> tuple[str, str]:
    """Return schema and table of a name in a request to write rows: `table`, which goes to `schema`, or `gold.table`.

    Raises:
        Invalid: `bad_table_name`: engines that will read the table do not agree on other names.
    """
    prefix, dot, table = text.rpartition(".")
    if (dot and prefix not in SCHEMAS) or not _TABLE.fullmatch(table):
        raise Invalid(
            "The name of a lake table begins with a lower-case letter and has at most 128 lower-case letters, digits "
            f"and underscores; bronze., silver., gold. or default. may stand before it ({schema}. is the default).",
            code="bad_table_name",
        )
    return (prefix if dot else schema), table


def is_catalog_name(name: str) -> bool:
    """Return whether a catalog can have something of this name, so that it is worth a request.

    PostgreSQL takes no NUL. Dots would lead elsewhere in the URL of a REST catalog, which refuses other names itself.
    """
    return "\0" not in name and name not in ("", ".", "..")
