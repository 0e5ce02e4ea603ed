"""A company's own Iceberg REST catalog as the lake: what it holds can be shared, and what it loses when it is away."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from dataml.iceberg.catalog import LakeConfig, open_catalog
from dataml.settings import Settings
from tests.conftest import NewHome, Platform
from tests.datalake.lake import VISITS, call_lake, create_from_table, create_in_lake, new_table_name
from tests.dataset.datasets import create_dataset, upload
from tests.services.rest_catalog import RestCatalogServer

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def settings(new_home: NewHome, rest_catalog: RestCatalogServer) -> Settings:
    return new_home(lake_catalog=rest_catalog.properties, lake_timeout_s=10)


@pytest.fixture
def away(rest_catalog: RestCatalogServer) -> Iterator[RestCatalogServer]:
    """The catalog is not there until the test starts it, or is over."""
    rest_catalog.stop()
    yield rest_catalog
    rest_catalog.stop()
    rest_catalog.start()


def test_schema_of_the_catalog_is_shared_and_imported_as_a_dataset(platform: Platform) -> None:
    catalog = open_catalog(LakeConfig.from_settings(platform.settings))
    catalog.create_namespace("trade")
    rows = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "spent": pa.array([1.5, None, 4.5])})
    catalog.create_table("trade.visits", rows.schema).append(rows)
    catalog.close()
    assert call_lake(platform.client, "schemas/tables", schema="company") == (404, "schema_not_found")
    own = platform.client.post("/login/test-token").json()["tenant_id"]
    share = {"tenant_id": own, "schema_name": "trade", "name": "company"}
    assert platform.client.post("/datalake/shares", json=share).status_code == 201
    assert call_lake(platform.client, "schemas/tables", schema="company") == ["visits"]
    assert (
        call_lake(platform.client, "numeric_stats", schema="company", table="visits", column_name="spent")["mean"] == 3
    )
    made = create_from_table(platform.client, "company.visits")
    assert (made["state"], made["total_records"]) == ("valid", 3)


def test_platform_works_while_the_catalog_is_unavailable(platform: Platform, away: RestCatalogServer) -> None:
    client = platform.client
    assert call_lake(client, "schemas/tables") == (503, "lake_unavailable")
    refused = upload(client, ("visits.csv", VISITS), iceberg_table_name=new_table_name())
    assert (refused.status_code, refused.json()["code"]) == (503, "lake_unavailable")
    assert create_dataset(client, ("visits.csv", VISITS))["state"] == "valid"
    away.start()
    table = new_table_name()
    assert create_in_lake(client, table)["state"] == "valid"
    assert table in call_lake(client, "schemas/tables")
