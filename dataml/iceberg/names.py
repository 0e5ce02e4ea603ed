"""What lake tables are called: to their tenant, and in the catalog."""

import re
import uuid
from dataclasses import dataclass
from typing import Final

from dataml.errors import Invalid

SCHEMAS: Final = ("bronze", "silver", "gold", "default")
"""The schemas of every tenant: for what came, what was validated, what was predicted, and anything else."""

_TABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,127}", re.ASCII)


@dataclass(frozen=True)
class TableName:
    """A table as its catalog knows it."""

    namespace: str
    table: str


def tenant_namespace(tenant_id: str, schema: str) -> str:
    """The namespace in the catalog of one of a tenant's own schemas. One level, since not every catalog has more; no
    name that a tenant chooses is part of it.

    Raises:
        ValueError: the schema is none of `SCHEMAS`.
    """
    if schema not in SCHEMAS:
        raise ValueError(f"no schema of a tenant: {schema}")
    return f"t_{uuid.UUID(tenant_id).hex}_{schema}"


def parse_table_name(text: str, schema: str) -> tuple[str, str]:
    """Schema and table of a name that a request wants rows to be written under: `table`, which goes to `schema`, or
    `gold.table`.

    Raises:
        Invalid: `bad_table_name`: engines that will read the table do not agree on any other name.
    """
    named, dot, table = text.rpartition(".")
    if (dot and named not in SCHEMAS) or not _TABLE.fullmatch(table):
        raise Invalid(
            "A lake table's name has lower-case letters, digits and underscores, begins with a letter and has at most "
            f"128 of them; bronze., silver., gold. or default. may stand before it ({schema}. does otherwise).",
            code="bad_table_name",
        )
    return (named if dot else schema), table
