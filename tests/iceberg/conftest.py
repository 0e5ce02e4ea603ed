"""A lake of its own for each test: the built-in one, or a REST catalog's."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dataml.iceberg.catalog import LakeConfig, open_catalog
from dataml.settings import load_settings
from tests.conftest import ON_REST_CATALOG
from tests.services.rest_catalog import RestCatalogServer

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


DataFiles = Callable[[], set[str]]


@pytest.fixture
def rest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[RestCatalogServer | None]:
    """Provide an empty REST catalog that settings name, also those of a process that a test starts."""
    if not ON_REST_CATALOG:
        yield None
        return
    server: RestCatalogServer = request.getfixturevalue("rest_catalog")
    monkeypatch.setenv("DATAML_LAKE_CATALOG", json.dumps(server.properties))
    yield server
    server.clear()


@pytest.fixture
def config(tmp_path: Path, rest: RestCatalogServer | None) -> Iterator[LakeConfig]:
    config = LakeConfig.from_settings(load_settings(home=tmp_path))
    yield config
    if rest is not None:
        _drop_all(config)


@pytest.fixture
def data_files(config: LakeConfig, rest: RestCatalogServer | None) -> DataFiles:
    """Provide a function that returns the names of all Parquet files in the warehouse."""

    def list_names() -> set[str]:
        return rest.data_files() if rest is not None else {path.name for path in config.home.rglob("*.parquet")}

    return list_names


@pytest.fixture
def catalog(config: LakeConfig) -> "Iterator[Catalog]":
    catalog = open_catalog(config)
    yield catalog
    catalog.close()


def _drop_all(config: LakeConfig) -> None:
    catalog = open_catalog(config)
    for namespace in catalog.list_namespaces():
        for table in catalog.list_tables(namespace):
            catalog.drop_table(table)
    catalog.close()
