"""Names of lake tables, for their tenant and in the catalog."""

import pytest

from dataml.errors import Invalid
from dataml.iceberg.names import is_catalog_name, parse_table_name, tenant_namespace

TENANT = "503f9eaa-a1c7-4a57-994b-f47df3ce7867"


def test_namespace_is_made_of_tenant_and_schema() -> None:
    assert tenant_namespace(TENANT, "gold") == "t_503f9eaaa1c74a57994bf47df3ce7867_gold"


@pytest.mark.parametrize("schema", ["gold_", "", "other"])
def test_unknown_schema_has_no_namespace(schema: str) -> None:
    with pytest.raises(ValueError, match="not a schema of a tenant"):
        tenant_namespace(TENANT, schema)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", ("silver", "a")), ("gold.a_1", ("gold", "a_1")), ("a" * 128, ("silver", "a" * 128))],
)
def test_table_name_may_have_a_schema_before_it(text: str, expected: tuple[str, str]) -> None:
    assert parse_table_name(text, "silver") == expected


@pytest.mark.parametrize(
    "text", ["", ".", "gold.", ".a", "A", "1a", "_a", "a b", "a\n", "a.b", "gold.a.b", "é", 'a"', "a" * 129]
)
def test_bad_table_name_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_table_name(text, "silver")
    assert caught.value.code == "bad_table_name"


@pytest.mark.parametrize(("name", "expected"), [("a", True), ("a.b", True), ("", False), ("..", False), ("a\0", False)])
def test_catalogs_are_not_asked_for_impossible_names(name: str, expected: bool) -> None:
    assert is_catalog_name(name) is expected
