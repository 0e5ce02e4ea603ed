"""Settings come from the environment, and what is unsafe stops the start with one line."""

from pathlib import Path

import pytest

from dataml.errors import StartupError
from dataml.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(f"DATAML_{field.upper()}", raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADMIN_PASSWORD", ""),
        ("ADMIN_PASSWORD", "admin123"),
        ("ADMIN_PASSWORD", "x" * 11),
        ("ADMIN_PASSWORD", "x" * 1025),
        ("ADMIN_PASSWORD", "é" * 1024),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("ACCESS_TOKEN_MINUTES", "0"),
        ("ACCESS_TOKEN_MINUTES", "1441"),
        ("REFRESH_TOKEN_DAYS", "0"),
        ("REFRESH_TOKEN_DAYS", "366"),
        ("MAX_UPLOAD_BYTES", "0"),
        ("MAX_UPLOAD_BYTES", "-1"),
        ("MIN_USABILITY", "1.1"),
        ("MIN_USABILITY", "-0.1"),
        ("MIN_USABILITY", "nan"),
        ("WORKERS", "0"),
        ("WORKERS", "65"),
        ("WORKER_CPUS", "-1"),
        ("WORKER_CPUS", "inf"),
        ("JOB_THREADS", "0"),
        ("JOB_ATTEMPTS", "0"),
        ("JOB_ATTEMPTS", "11"),
        ("OWN_ENDPOINTS", "-1"),
        ("ENDPOINT_MAX_REPLICAS", "0"),
        ("ENDPOINT_TARGET_ONGOING_REQUESTS", "0"),
        ("POOL_REPLICAS", "0"),
        ("POOL_REPLICAS", "many"),
        ("POOL_MIN_REPLICAS", "0"),
        ("POOL_MAX_REPLICAS", "0"),
        ("POOL_TARGET_ONGOING_REQUESTS", "0"),
        ("POOL_TARGET_ONGOING_REQUESTS", "inf"),
        ("POOL_MODELS", "0"),
        ("REQUEST_TIMEOUT_S", "0"),
        ("REQUEST_TIMEOUT_S", "inf"),
        ("REQUEST_TIMEOUT_S", "nan"),
        ("API_REPLICAS", "0"),
        ("PREDICTION_LOG", "perhaps"),
    ],
)
def test_invalid_value_is_refused_in_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"DATAML_{name}", value)
    with pytest.raises(StartupError) as caught:
        load_settings()
    line = str(caught.value)
    assert f"DATAML_{name}" in line
    assert "\n" not in line
    assert not (name == "ADMIN_PASSWORD" and value and value in line)


@pytest.mark.parametrize("deployment", ["ENDPOINT", "POOL"])
def test_more_minimum_than_maximum_replicas_are_refused(monkeypatch: pytest.MonkeyPatch, deployment: str) -> None:
    monkeypatch.setenv(f"DATAML_{deployment}_MIN_REPLICAS", "3")
    with pytest.raises(StartupError) as caught:
        load_settings()
    assert str(caught.value) == f"DATAML_{deployment}_MIN_REPLICAS is larger than DATAML_{deployment}_MAX_REPLICAS"


@pytest.mark.parametrize(
    ("environment", "replicas"),
    [
        ({}, (1, 2)),
        ({"POOL_REPLICAS": "2"}, (2, 2)),
        ({"POOL_REPLICAS": "5"}, (5, 5)),
        ({"POOL_REPLICAS": "2", "POOL_MAX_REPLICAS": "4"}, (2, 4)),
        ({"POOL_REPLICAS": "5", "POOL_MIN_REPLICAS": "1"}, (1, 2)),
    ],
    ids=["neither", "older", "older, beyond the largest", "older and largest", "both names"],
)
def test_the_older_name_of_the_pools_replicas_is_its_smallest_number(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], replicas: tuple[int, int]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"DATAML_{name}", value)
    settings = load_settings()
    assert (settings.pool_min_replicas, settings.pool_max_replicas) == replicas
    # The supervisor reads the settings from JSON.
    again = Settings.model_validate_json(settings.model_dump_json())
    assert (again.pool_min_replicas, again.pool_max_replicas) == replicas


def test_a_larger_older_number_than_the_largest_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAML_POOL_REPLICAS", "5")
    monkeypatch.setenv("DATAML_POOL_MAX_REPLICAS", "4")
    with pytest.raises(StartupError, match="DATAML_POOL_MIN_REPLICAS is larger than DATAML_POOL_MAX_REPLICAS"):
        load_settings()


def test_port_of_grpc_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAML_PORT", "8123")
    assert load_settings().grpc_port is None
    monkeypatch.setenv("DATAML_GRPC_PORT", "8123")
    with pytest.raises(StartupError, match="DATAML_GRPC_PORT is the same as DATAML_PORT"):
        load_settings()


def test_password_is_hidden_in_the_settings() -> None:
    settings = load_settings(admin_password="a password for tests")
    assert "a password for tests" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_key_of_an_object_store_is_hidden_in_the_settings() -> None:
    settings = load_settings(storage_url="s3://key:very-secret@bucket/files")
    assert "very-secret" not in repr(settings) + str(settings)


def test_storage_that_is_not_a_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAML_STORAGE_URL", "very-secret")
    with pytest.raises(StartupError, match="DATAML_STORAGE_URL") as caught:
        load_settings()
    assert "very-secret" not in str(caught.value)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PORT": "8123", "WORKERS": "3", "PREDICTION_LOG": "false", "HOME": "/somewhere"}.items():
        monkeypatch.setenv(f"DATAML_{name}", value)
    settings = load_settings()
    assert (settings.port, settings.workers, settings.prediction_log) == (8123, 3, False)
    assert settings.storage_root == Path("/somewhere/storage")


def test_defaults_listen_on_the_local_host_and_keep_files_in_the_home() -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.admin_password is None
    assert settings.root == Path.cwd() / ".dataml"
    assert settings.key_file == settings.root / "token.key"
    assert settings.sqlalchemy_url == f"sqlite+aiosqlite:///{settings.root / 'dataml.db'}"


def test_another_database_can_be_configured() -> None:
    settings = load_settings(database_url="postgresql+psycopg://db/dataml")
    assert settings.sqlalchemy_url == "postgresql+psycopg://db/dataml"
    assert not settings.is_sqlite


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in Settings.model_fields.values())
