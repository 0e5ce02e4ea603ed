"""Location of the built-in warehouse, by the settings."""

from pathlib import Path

import pytest

from dataml.iceberg.catalog import LakeConfig
from dataml.settings import load_settings


def properties(home: Path, url: str | None = None, **fields: object) -> dict[str, str]:
    found = LakeConfig.from_settings(load_settings(home=home, storage_url=url, **fields)).properties
    return {name: value for name, value in found.items() if name == "warehouse" or name.startswith("s3.")}


@pytest.mark.parametrize("url", [None, "file:///somewhere"])
def test_warehouse_is_in_the_home_by_default(tmp_path: Path, url: str | None) -> None:
    assert properties(tmp_path, url) == {"warehouse": str(tmp_path / "lake" / "warehouse")}


def test_warehouse_is_beside_the_files_in_a_bucket(tmp_path: Path) -> None:
    assert properties(tmp_path, "s3://bucket/some/prefix/?region=eu-central-1") == {
        "warehouse": "s3://bucket/some/prefix/lake",
        "s3.region": "eu-central-1",
    }


def test_warehouse_is_reached_with_key_and_server_of_the_url(tmp_path: Path) -> None:
    url = "s3://key:a%2Fb@bucket?endpoint_override=minio:9000&scheme=http"
    assert properties(tmp_path, url) == {
        "warehouse": "s3://bucket/lake",
        "s3.endpoint": "http://minio:9000",
        "s3.region": "us-east-1",
        "s3.access-key-id": "key",
        "s3.secret-access-key": "a/b",
    }


def test_configured_warehouse_is_reached_by_its_own_properties(tmp_path: Path) -> None:
    given = {"warehouse": "s3://lake/tables", "s3.region": "us-west-2"}
    assert properties(tmp_path, "s3://key:secret@bucket/files", lake_catalog=given) == given


def test_warehouse_in_an_object_store_needs_no_durable_files(tmp_path: Path) -> None:
    config = LakeConfig.from_settings(load_settings(home=tmp_path, storage_url="s3://key:secret@bucket/files"))
    assert "py-io-impl" not in config.properties
    assert "secret" not in repr(config)
