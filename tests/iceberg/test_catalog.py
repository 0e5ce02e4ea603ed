"""Which catalog is opened, and what happens when it cannot be."""

import socket
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.errors import DatamlError, Invalid, Unavailable
from dataml.iceberg.catalog import LakeConfig, load_table, open_catalog
from dataml.iceberg.names import TableName, parse_table_name, tenant_namespace
from dataml.iceberg.reading import read_batches
from dataml.iceberg.writing import LakeTarget, WriteAttempt, write_rows
from dataml.settings import load_settings

TENANT = "503f9eaa-a1c7-4a57-994b-f47df3ce7867"


def config(tmp_path: Path, **fields: Any) -> LakeConfig:
    return LakeConfig.from_settings(load_settings(home=tmp_path, **fields))


def test_the_built_in_catalog_lies_in_the_home_or_in_the_platforms_postgresql(tmp_path: Path) -> None:
    built_in = config(tmp_path).properties
    assert built_in["uri"].startswith(f"sqlite:///{tmp_path}/lake/catalog.db")
    assert built_in["warehouse"] == f"{tmp_path}/lake/warehouse"
    url = "postgresql+psycopg://u:p@h/d"
    assert config(tmp_path, database_url=url).properties["uri"] == url


def test_what_is_configured_comes_over_it(tmp_path: Path) -> None:
    in_s3 = config(tmp_path, lake_catalog={"warehouse": "s3://lake", "s3.endpoint": "http://s3"}).properties
    assert (in_s3["type"], in_s3["warehouse"]) == ("sql", "s3://lake")
    assert "py-io-impl" not in in_s3
    rest = {"type": "rest", "uri": "http://catalog"}
    assert config(tmp_path, lake_catalog=rest).properties == rest
    assert "secret" not in repr(config(tmp_path, lake_catalog=rest | {"token": "secret"}))


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"type": "nothing"}, "lake_misconfigured"),
        ({"type": "rest", "uri": "http://127.0.0.1:1"}, "lake_unavailable"),
        ({"uri": "sqlite:////nowhere/at/all/catalog.db"}, "lake_unavailable"),
        ({"uri": "postgresql+psycopg://u:secret@127.0.0.1:1/d"}, "lake_unavailable"),
    ],
    ids=str,
)
def test_a_catalog_that_is_away_says_so(tmp_path: Path, properties: dict[str, str], code: str) -> None:
    with pytest.raises(DatamlError) as caught:
        open_catalog(config(tmp_path, lake_catalog=properties)).list_namespaces()
    assert (caught.value.status, caught.value.code) == (503, code)
    assert "secret" not in caught.value.detail


def test_a_rest_catalog_that_never_answers_is_away(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable) as caught:
            open_catalog(config(tmp_path, lake_catalog={"type": "rest", "uri": uri}, lake_timeout_s=0.1))
    assert caught.value.code == "lake_unavailable"


def test_names_of_tenants_do_not_meet() -> None:
    assert tenant_namespace(TENANT, "gold") == "t_503f9eaaa1c74a57994bf47df3ce7867_gold"
    with pytest.raises(ValueError, match="no schema"):
        tenant_namespace(TENANT, "gold_")


@pytest.mark.parametrize(("text", "expected"), [("a", ("silver", "a")), ("gold.a_1", ("gold", "a_1"))])
def test_names_that_are_written(text: str, expected: tuple[str, str]) -> None:
    assert parse_table_name(text, "silver") == expected


@pytest.mark.parametrize(
    "text", ["", ".", "gold.", ".a", "A", "1a", "_a", "a b", "a\n", "a.b", "gold.a.b", "é", 'a"', "a" * 129]
)
def test_names_that_are_not(text: str) -> None:
    with pytest.raises(Invalid):
        parse_table_name(text, "silver")


class Revived(pa.ExtensionType):
    """An Arrow extension type that tells when it is revived."""

    revived = 0

    def __init__(self) -> None:
        super().__init__(pa.int64(), "dataml.test")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> "Revived":
        cls.revived += 1
        return cls()


def test_a_file_with_extension_types_is_refused_before_arrow_sees_them(tmp_path: Path) -> None:
    """Somebody may have put it into a company's lake, where others than the platform write too."""
    built_in = config(tmp_path)
    catalog, name = open_catalog(built_in), TableName("n", "t")
    batch = pa.record_batch({"n": pa.array([1, 2])})
    target = LakeTarget(name, "dataset-1", "jane")
    write_rows(catalog, target, WriteAttempt(1, 1), lambda: iter([batch]))
    file = next(iter(load_table(catalog, name).scan().plan_files())).file.file_path
    pa.register_extension_type(Revived())  # type: ignore[arg-type]
    try:
        values = pa.ExtensionArray.from_storage(Revived(), pa.array([1, 2]))
        pq.write_table(pa.table({"n": values}), file)
        Revived.revived = 0
        with pytest.raises(Invalid) as caught:
            list(read_batches(load_table(catalog, name)))
    finally:
        pa.unregister_extension_type("dataml.test")
    assert caught.value.code == "unsupported_parquet_type"
    assert Revived.revived == 0


def test_the_catalog_is_sqlite_with_a_row_a_table(tmp_path: Path) -> None:
    built_in = config(tmp_path)
    catalog = open_catalog(built_in)
    batch = pa.record_batch({"n": pa.array([1])})
    target = LakeTarget(TableName("n", "t"), "dataset-1", "jane")
    write_rows(catalog, target, WriteAttempt(1, 1), lambda: iter([batch]))
    connection = sqlite3.connect(tmp_path / "lake" / "catalog.db")
    found = connection.execute("SELECT table_namespace, table_name, metadata_location FROM iceberg_tables").fetchall()
    connection.close()
    assert [row[:2] for row in found] == [("n", "t")]
    assert Path(found[0][2]).exists()
