"""A real Iceberg REST catalog for tests: the reference server of the Iceberg project, over a PostgreSQL and with its
warehouse in an S3 server."""

from pathlib import Path
from typing import Final

from tests.postgres import jdbc_url
from tests.services.program import Program, free_port
from tests.services.s3 import BUCKET, KEY, NO_CHECKSUMS, REGION, SECRET, S3Server

WAREHOUSE: Final = "rest"
"""The prefix of the warehouse in the bucket."""


class RestCatalogServer(Program):
    """`jars` is the folder of the server and all that it needs: make .services/iceberg-rest."""

    def __init__(self, jars: str, home: Path, database_url: str, s3: S3Server) -> None:
        port = free_port()
        self._s3 = s3
        # It reads a property of a catalog from a variable: `_` for a dot, `__` for a hyphen.
        environment = {
            "CATALOG_REST_PORT": str(port),
            "CATALOG_URI": jdbc_url(database_url),
            "CATALOG_JDBC_SCHEMA__VERSION": "V1",
            "CATALOG_WAREHOUSE": f"s3://{BUCKET}/{WAREHOUSE}",
            "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
            "CATALOG_S3_ENDPOINT": s3.endpoint,
            "CATALOG_S3_PATH__STYLE__ACCESS": "true",
            "CATALOG_S3_ACCESS__KEY__ID": KEY,
            "CATALOG_S3_SECRET__ACCESS__KEY": SECRET,
            "CATALOG_CLIENT_REGION": REGION,
            **NO_CHECKSUMS,
        }
        command = ["java", "-Xmx256m", "-cp", f"{jars}/*", "org.apache.iceberg.rest.RESTCatalogServer"]
        super().__init__(command, port, home / "log", environment)

    @property
    def properties(self) -> dict[str, str]:
        """What `DATAML_LAKE_CATALOG` says to use it; the warehouse is the server's own affair."""
        return {
            "type": "rest",
            "uri": f"http://127.0.0.1:{self.port}",
            "s3.endpoint": self._s3.endpoint,
            "s3.access-key-id": KEY,
            "s3.secret-access-key": SECRET,
            "s3.region": REGION,
        }

    def data_files(self) -> set[str]:
        return {name.rpartition("/")[2] for name in self._s3.objects(WAREHOUSE) if name.endswith(".parquet")}

    def clear(self) -> None:
        """Remove the files of all tables, also of those that were dropped."""
        self._s3.clear(WAREHOUSE)
