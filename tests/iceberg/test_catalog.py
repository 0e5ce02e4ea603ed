"""The catalog that is opened, and errors when it cannot be."""

import errno
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from dataml.errors import DatamlError, NotFound, Unavailable
from dataml.iceberg.catalog import LakeConfig, load_table, namespace_exists, open_catalog, translate_lake_errors
from dataml.iceberg.names import TableName
from dataml.iceberg.writing import LakeTarget, WriteAttempt, write_rows
from dataml.settings import load_settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def config(tmp_path: Path, **fields: Any) -> LakeConfig:
    return LakeConfig.from_settings(load_settings(home=tmp_path, **fields))


def test_built_in_catalog_is_in_the_home_or_in_the_platforms_postgresql(tmp_path: Path) -> None:
    built_in = config(tmp_path).properties
    assert built_in["uri"].startswith(f"sqlite:///{tmp_path}/lake/catalog.db")
    assert built_in["warehouse"] == f"{tmp_path}/lake/warehouse"
    url = "postgresql+psycopg://u:p@h/d"
    assert config(tmp_path, database_url=url).properties["uri"] == url


def test_configured_properties_override_the_built_in_ones(tmp_path: Path) -> None:
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
def test_catalog_that_cannot_be_opened_is_unavailable(tmp_path: Path, properties: dict[str, str], code: str) -> None:
    with pytest.raises(DatamlError) as caught:
        open_catalog(config(tmp_path, lake_catalog=properties)).list_namespaces()
    assert (caught.value.status, caught.value.code) == (503, code)
    assert "secret" not in caught.value.detail


def test_rest_catalog_that_never_answers_is_unavailable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable) as caught:
            open_catalog(config(tmp_path, lake_catalog={"type": "rest", "uri": uri}, lake_timeout_s=0.1))
    assert caught.value.code == "lake_unavailable"


def test_built_in_catalog_is_sqlite_with_a_row_a_table(tmp_path: Path) -> None:
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


@pytest.fixture
def built_in(tmp_path: Path) -> "Iterator[Catalog]":
    catalog = open_catalog(config(tmp_path))
    yield catalog
    catalog.close()


@pytest.mark.parametrize("name", [TableName("n", "missing"), TableName("n", "a\0"), TableName("..", "t")], ids=str)
def test_unknown_table_is_not_found(built_in: "Catalog", name: TableName) -> None:
    built_in.create_namespace("n")
    with pytest.raises(NotFound) as caught:
        load_table(built_in, name)
    assert caught.value.code == "table_not_found"


def test_namespace_exists_once_it_is_created(built_in: "Catalog") -> None:
    assert not namespace_exists(built_in, "n")
    built_in.create_namespace("n")
    assert namespace_exists(built_in, "n")
    assert not namespace_exists(built_in, "n\0")
    assert not namespace_exists(built_in, "n..m")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "lake_full"),
        (FileNotFoundError("data.parquet"), "lake_damaged"),
        (pa.ArrowInvalid("not a Parquet file"), "lake_damaged"),
        (ConnectionError("refused"), "lake_unavailable"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_failure_of_catalog_or_storage_is_unavailable(error: Exception, code: str) -> None:
    with pytest.raises(Unavailable) as caught, translate_lake_errors():
        raise error
    assert caught.value.code == code
    assert caught.value.__cause__ is error
