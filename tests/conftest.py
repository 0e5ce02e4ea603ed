"""A whole platform without Ray: the real application, database, supervisor and job bodies, on a temporary home."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from anyio.from_thread import start_blocking_portal
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import select

from dataml.access import passwords, tenants, users
from dataml.access.models import Tenant
from dataml.access.passwords import hash_password
from dataml.access.permissions import BuiltinRole
from dataml.access.tokens import TokenKeys
from dataml.app import Services, create_app
from dataml.db import schema
from dataml.db.session import Database
from dataml.installation import ADMIN, DEFAULT_TENANT, prepare
from dataml.runner.result_handlers import RESULT_HANDLERS
from dataml.settings import Settings, load_settings
from dataml.storage.storage import Storage
from tests.client import PASSWORD, Client
from tests.fakes import InProcessInferenceClient, SupervisorThread
from tests.postgres import PostgresServer
from tests.services.program import free_port
from tests.services.rest_catalog import RestCatalogServer
from tests.services.s3 import S3Server

ON_POSTGRESQL = os.environ.get("DATAML_TEST_DATABASE") == "postgresql"
needs_postgresql = pytest.mark.skipif(not ON_POSTGRESQL, reason="on PostgreSQL only: make test-services")
ON_REST_CATALOG = os.environ.get("DATAML_TEST_LAKE") == "rest"
needs_builtin_lake = pytest.mark.skipif(ON_REST_CATALOG, reason="of the built-in lake only: make test")
needs_sqlite = pytest.mark.skipif(ON_POSTGRESQL, reason="on SQLite only: make test")
SQLITE_FILE = "dataml.db"
# A node of the Ray cluster in the process of the tests.
_RAY_NODE: dict[str, Any] = {"num_cpus": 0, "object_store_memory": 500 << 20}
EXAMPLES = Path(__file__).parents[1] / "examples" / "data"


@dataclass(frozen=True)
class Platform:
    """A running platform; `client` is the administrator of the tenant `default`, `anonymous` has no token."""

    settings: Settings
    anonymous: Client
    client: Client


NewHome = Callable[..., Settings]
_product_hasher = passwords._hasher
# Chosen by `--hypothesis-profile`. Neither has a deadline: a machine that is busy does not make a test fail.
hypothesis.settings.register_profile("default", deadline=None, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=500)
hypothesis.settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that use Ray first.

    They wait more than they compute: beside them another worker of pytest-xdist has the processor. Workers take tests
    from each other's ends, so what comes first stays in one worker, with one cluster.
    """
    for item in items:
        if " object at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid} has another name in each process; give its parameters `ids`")
    items.sort(key=lambda item: not _uses_ray(item))


def _uses_ray(item: pytest.Item) -> bool:
    return item.get_closest_marker("cluster") is not None or "ray_cluster" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session", autouse=True)
def cheap_password_hashes() -> Iterator[None]:
    """Hash passwords with parameters that take no time, where a test does not use `product_password_hashes`."""
    hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=16, parallelism=1),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", lambda: hasher)
        passwords._dummy_hash.cache_clear()
        yield


@pytest.fixture
def product_password_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hash passwords with the parameters of the product."""
    monkeypatch.setattr(passwords, "_hasher", _product_hasher)
    passwords._dummy_hash.cache_clear()
    yield
    passwords._dummy_hash.cache_clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    jar = os.environ.get("DATAML_TEST_S3PROXY")
    if jar is None:
        pytest.skip("DATAML_TEST_S3PROXY names no jar of S3Proxy: make test-s3")
    with S3Server(jar, tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def catalog_url() -> Iterator[str]:
    """A database in a PostgreSQL that also programs of Java reach."""
    with PostgresServer(free_port()) as server:
        yield server.new_database()


@pytest.fixture(scope="session")
def rest_catalog(
    tmp_path_factory: pytest.TempPathFactory, catalog_url: str, s3: S3Server
) -> Iterator[RestCatalogServer]:
    jars = os.environ.get("DATAML_TEST_REST_CATALOG")
    if jars is None:
        pytest.skip("DATAML_TEST_REST_CATALOG names no folder with a REST catalog: make test-rest")
    with RestCatalogServer(jars, tmp_path_factory.mktemp("rest"), catalog_url, s3) as server:
        yield server


@pytest.fixture(scope="session")
def new_home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewHome:
    """Makes settings of a home and a database of its own: SQLite in that home, or an empty one of a PostgreSQL server
    where the environment has `DATAML_TEST_DATABASE=postgresql`. Its lake is the built-in one, or with
    `DATAML_TEST_LAKE=rest` that of a REST catalog."""

    def make(**overrides: Any) -> Settings:
        if ON_POSTGRESQL and "database_url" not in overrides:
            overrides["database_url"] = request.getfixturevalue("postgres").new_database()
        if ON_REST_CATALOG:
            overrides["lake_catalog"] = request.getfixturevalue("rest_catalog").properties
        return load_settings(**{"home": tmp_path_factory.mktemp("home"), "admin_password": PASSWORD} | overrides)

    return make


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """One Ray cluster in the process of the tests, with no CPU to give: no job may wait for one."""
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # As the platform has it. Otherwise Ray Data asks for metrics in a thread until the process ends, and logs the
        # tracebacks of what it cannot reach.
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster()
        # Without CPUs Ray would end each process after one task, and start another for the next one.
        cluster.add_node(**_RAY_NODE, include_dashboard=False, _system_config={"num_workers_soft_limit": 4})
        ray.init(address=cluster.address, log_to_driver=False, namespace="tests")
        yield cluster
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(scope="session")
def second_node(ray_cluster: Any) -> Any:
    """Add a node, which shares this machine and its disk, to the cluster."""
    return ray_cluster.add_node(**_RAY_NODE)


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the tables of this version and no rows: to be copied, which is faster than migrations."""
    settings = load_settings(home=tmp_path_factory.mktemp("migrated"))
    schema.migrate(settings)
    return settings.root / SQLITE_FILE


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    """Settings of a home of its own; a module that wants others overrides this fixture."""
    return new_home()


@contextmanager
def run_platform(settings: Settings, migrated_database: Path) -> Iterator[Platform]:
    """Start a platform with the users of these tests, and stop it afterwards."""
    database_file = settings.root / SQLITE_FILE
    if settings.database_url is None and not database_file.exists():
        shutil.copy(migrated_database, database_file)
    prepare(settings)
    asyncio.run(_add_users(settings))
    supervisor = SupervisorThread(settings)
    database = Database(settings)
    inference_client = InProcessInferenceClient(Storage.from_settings(settings), supervisor)
    keys = TokenKeys.load(settings.key_file)
    log = inference_client.prediction_log
    app = create_app(
        Services(settings, database, keys, supervisor, inference_client, RESULT_HANDLERS, prediction_log=log)
    )
    with start_blocking_portal() as portal:
        anonymous = Client(app, portal)
        yield Platform(settings, anonymous, log_in(anonymous, ADMIN))
        portal.call(database.close)
    supervisor.stop()


@pytest.fixture(scope="module")
def platform(settings: Settings, migrated_database: Path) -> Iterator[Platform]:
    with run_platform(settings, migrated_database) as running:
        yield running


@pytest.fixture(scope="module")
def client(platform: Platform) -> Client:
    """The administrator of the tenant `default`."""
    return platform.client


@pytest.fixture(scope="module")
def anonymous(platform: Platform) -> Client:
    """Nobody: no token."""
    return platform.anonymous


@pytest.fixture(scope="module")
def analyst(platform: Platform) -> Client:
    """A user of the tenant `default` who may look and predict, and no more."""
    return log_in(platform.anonymous, "analyst")


@pytest.fixture(scope="module")
def stranger(platform: Platform) -> Client:
    """The administrator of another tenant."""
    return log_in(platform.anonymous, "stranger")


def log_in(client: Client, username: str, password: str = PASSWORD) -> Client:
    """A client of this user."""
    answer = client.post("/login/access-token", data={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return Client(client.app, client.portal, {"Authorization": f"Bearer {answer.json()['access_token']}"})


async def _add_users(settings: Settings) -> None:
    database = Database(settings)
    async with database.transaction() as session:
        default = await session.scalar(select(Tenant).where(Tenant.name == DEFAULT_TENANT))
        assert default is not None
        hashed = hash_password(PASSWORD)
        await users.add_builtin(session, default.id, "analyst", hashed, BuiltinRole.ANALYST)
        other = await tenants.add(session, "other")
        await users.add_builtin(session, other.id, "stranger", hashed, BuiltinRole.ADMIN)
    await database.close()
