"""A real Trino with TLS, a password and a JWT, started for these tests."""

import base64
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
import requests

from dataml.iceberg.catalog import LakeConfig
from dataml.settings import load_settings
from tests.postgres import jdbc_url
from tests.services.program import free_port

USER, PASSWORD = "dataml", "a password for tests"
_JWT_KEY = b"a key for the tokens of these tests, long enough"
_STARTS_S = 180.0


@dataclass(frozen=True)
class Trino:
    """`port` speaks HTTPS; `certificate` is its own. Its catalog `platform` is a lake of dataml's in PostgreSQL."""

    port: int
    certificate: Path
    token: str
    platform: LakeConfig

    def url(self, catalog: str, user: str = USER, password: str = PASSWORD) -> str:
        return f"https://{user}:{password.replace(' ', '%20')}@localhost:{self.port}/{catalog}"


@pytest.fixture(scope="session")
def trino(tmp_path_factory: pytest.TempPathFactory, catalog_url: str) -> Iterator[Trino]:
    server = os.environ.get("DATAML_TEST_TRINO")
    if server is None:
        pytest.skip("DATAML_TEST_TRINO names no folder with a Trino server")
    home = tmp_path_factory.mktemp("trino")
    port = free_port()
    platform = _lake(home, catalog_url)
    certificate = _configure(home, port, free_port(), platform)
    with (home / "log").open("wb") as output:
        process = subprocess.Popen(
            [f"{server}/bin/launcher", "run", f"--etc-dir={home}/etc", f"--data-dir={home}/data"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, certificate, home / "log")
        yield Trino(port, certificate, jwt.encode({"sub": USER}, _JWT_KEY, "HS256"), platform)
    finally:
        process.terminate()
        process.wait(30)


def _lake(home: Path, catalog_url: str) -> LakeConfig:
    """The lake of a platform whose database that is."""
    warehouse = {"warehouse": f"file://{home}/warehouse"}
    return LakeConfig.from_settings(
        load_settings(home=home / "platform", database_url=catalog_url, lake_catalog=warehouse)
    )


def _configure(home: Path, port: int, inner_port: int, platform: LakeConfig) -> Path:
    (home / "etc" / "catalog").mkdir(parents=True)
    (home / "tables").mkdir()
    certificate, key = home / "certificate.pem", home / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *subject],
        check=True,
        capture_output=True,
    )
    (home / "both.pem").write_text(certificate.read_text() + key.read_text())
    salt = os.urandom(16)
    digest = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt, 1000, 64)
    (home / "passwords").write_text(f"{USER}:1000:{salt.hex()}:{digest.hex()}\n")
    (home / "jwt.key").write_text(base64.b64encode(_JWT_KEY).decode())
    for name, text in _FILES.items():
        (home / "etc" / name).write_text(text.format(home=home, port=port, inner_port=inner_port))
    jdbc = jdbc_url(platform.properties["uri"])
    warehouse = platform.properties["warehouse"]
    (home / "etc" / "catalog" / "platform.properties").write_text(_PLATFORM.format(jdbc=jdbc, warehouse=warehouse))
    return certificate


_PLATFORM = """connector.name=iceberg
iceberg.catalog.type=jdbc
iceberg.jdbc-catalog.catalog-name=dataml
iceberg.jdbc-catalog.driver-class=org.postgresql.Driver
iceberg.jdbc-catalog.connection-url={jdbc}
iceberg.jdbc-catalog.default-warehouse-dir={warehouse}
fs.hadoop.enabled=true
"""
_FILES = {
    "node.properties": "node.environment=test\nnode.id=test\n",
    "jvm.config": "-Xmx1500M\n-XX:+UseSerialGC\n-XX:+ExitOnOutOfMemoryError\n-Djdk.attach.allowAttachSelf=true\n",
    "config.properties": """coordinator=true
node-scheduler.include-coordinator=true
http-server.http.enabled=true
http-server.http.port={inner_port}
discovery.uri=http://localhost:{inner_port}
http-server.https.enabled=true
http-server.https.port={port}
http-server.https.keystore.path={home}/both.pem
http-server.authentication.type=PASSWORD,JWT
http-server.authentication.jwt.key-file={home}/jwt.key
internal-communication.shared-secret=of these tests
query.max-memory-per-node=200MB
memory.heap-headroom-per-node=300MB
""",
    "password-authenticator.properties": "password-authenticator.name=file\nfile.password-file={home}/passwords\n",
    "catalog/memory.properties": "connector.name=memory\n",
    "catalog/tpch.properties": "connector.name=tpch\n",
    "catalog/company.properties": """connector.name=iceberg
iceberg.catalog.type=TESTING_FILE_METASTORE
hive.metastore.catalog.dir=local:///metastore
fs.native-local.enabled=true
local.location={home}/tables
""",
}


def _wait(process: "subprocess.Popen[bytes]", port: int, certificate: Path, log: Path) -> None:
    deadline = time.monotonic() + _STARTS_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            found = requests.get(f"https://localhost:{port}/v1/info", verify=str(certificate), timeout=5)
            if found.ok and not found.json()["starting"]:
                return
        except requests.exceptions.RequestException:
            pass
        time.sleep(0.5)
    raise AssertionError(f"Trino did not start:\n{log.read_text()[-3000:]}")
