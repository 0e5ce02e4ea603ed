"""Settings of the platform, read from `DATAML_*` environment variables; unsafe values are refused at start."""

import unicodedata
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dataml.errors import StartupError


class Settings(BaseSettings):
    """Settings of one platform; each field is the environment variable `DATAML_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="DATAML_", extra="ignore", frozen=True)

    home: Path = Field(Path(".dataml"), description="Folder of the database, files, models and keys.")
    host: str = Field("127.0.0.1", description="Address that the HTTP proxy listens on, where it can be chosen.")
    port: int = Field(8000, ge=1, le=65535, description="Port of the HTTP API.")
    grpc_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of the Open Inference Protocol over gRPC, on the address of `DATAML_HOST`; off when not set.",
    )
    admin_password: SecretStr | None = Field(
        None,
        description="First password of `admin`, 12 to 1,024 bytes; random when not set. Read at the first start only.",
    )
    max_restarts: int = Field(
        5,
        ge=0,
        description="Restarts by `dataml up` in ten minutes, when Ray has ended by itself.",
    )
    database_url: str | None = Field(
        None,
        pattern=r"^(postgresql\+psycopg|sqlite\+aiosqlite)://",
        description="SQLAlchemy URL, `postgresql+psycopg://…`; the default is SQLite in the home.",
    )

    database_connections: int = Field(
        20,
        ge=2,
        le=1000,
        description="Connections to the database that a process opens at most, besides four for short look-ups.",
    )

    storage_url: str | None = Field(
        None,
        pattern=r"^[a-z0-9+.-]+://.",
        repr=False,
        description="Object store of all files, `s3://bucket/prefix?region=…`; the default is a folder in the home.",
    )
    storage_cache_bytes: int = Field(
        20 * 1024**3, ge=0, description="Largest size of a node's copies of an object store's files."
    )
    storage_reserve_bytes: int = Field(
        1024**3,
        ge=0,
        description="Free space on the disk of the home below which uploads and jobs are refused, and queued jobs "
        "wait.",
    )
    storage_timeout_s: float = Field(
        60,
        ge=0,
        allow_inf_nan=False,
        description="How long a job retries an object store or a lake that is away, in seconds.",
    )

    access_token_minutes: int = Field(15, ge=1, le=1440, description="Lifetime of an access token.")
    refresh_token_days: int = Field(14, ge=1, le=365, description="Lifetime of a session that is not used.")
    login_failures: int = Field(10, ge=1, description="Failed logins of one account that are allowed in a minute.")
    address_login_failures: int = Field(
        100, ge=1, description="Failed logins from one address that are allowed in a minute."
    )
    forwarded_hops: int = Field(
        0, ge=0, le=10, description="Number of reverse proxies in front whose `X-Forwarded-For` is trusted."
    )

    max_upload_bytes: int = Field(2 * 1024**3, ge=1, description="Largest upload, all files together.")
    tenant_quota_bytes: int | None = Field(
        None, ge=1, description="Largest size of all files of a tenant; no limit when not set."
    )
    min_usability: float = Field(
        0.8, ge=0, le=1, description="Smallest share of good rows with which a dataset is valid."
    )
    distributed_bytes: int = Field(
        1024**3,
        ge=0,
        description="Size of a dataset from which Ray Data validates, scores and explains it on all CPUs of a cluster "
        "with more than two.",
    )
    distributed_training_bytes: int = Field(
        8 * 1024**3,
        ge=0,
        description="Size of a training's matrix, four bytes a cell, from which Ray Train fits on shards of it, on a "
        "cluster with more than two CPUs.",
    )
    shap_sample_rows: int = Field(2000, ge=1, lt=2**31, description="Rows that a feature importance is computed on.")

    lake_catalog: dict[str, str] | None = Field(
        None,
        description="JSON: properties of a PyIceberg catalog (`type`, `uri`, `warehouse`, `token`, ...), "
        "over those of the built-in one.",
    )
    lake_timeout_s: float = Field(
        30,
        gt=0,
        allow_inf_nan=False,
        description="Longest time for a query to the lake, or for a response of its REST catalog, in seconds.",
    )
    trino_url: str | None = Field(
        None, description="`https://user:password@host:port/catalog` of a Trino whose schemas are shared with tenants."
    )
    trino_jwt: str | None = Field(None, description="A JWT for Trino, in place of a password.")
    trino_ca: Path | None = Field(
        None, description="File of certificates that Trino's is checked against; the system's when not set."
    )

    workers: int = Field(2, ge=1, le=64, description="Worker processes, and so jobs that run at a time.")
    worker_cpus: float = Field(
        0.5, ge=0, allow_inf_nan=False, description="Logical CPUs of the Ray cluster that one worker holds."
    )
    job_threads: int = Field(2, ge=1, description="Threads of one training.")
    job_attempts: int = Field(2, ge=1, le=10, description="Attempts at a job whose worker dies or hangs.")
    job_log_days: int = Field(30, ge=1, le=3650, description="Days that the log of an attempt at a job is kept.")
    validate_time_limit_s: int = Field(
        6 * 3600, ge=1, lt=2**31, description="Longest time for a validation, in seconds."
    )
    describe_time_limit_s: int = Field(
        2 * 3600, ge=1, lt=2**31, description="Longest time for the statistics of a dataset, in seconds."
    )
    train_time_limit_s: int = Field(6 * 3600, ge=1, lt=2**31, description="Longest time for a training, in seconds.")
    explain_time_limit_s: int = Field(
        2 * 3600, ge=1, lt=2**31, description="Longest time for a feature importance, in seconds."
    )
    score_time_limit_s: int = Field(
        6 * 3600, ge=1, lt=2**31, description="Longest time for a batch prediction, in seconds."
    )
    forecast_time_limit_s: int = Field(
        2 * 3600, ge=1, lt=2**31, description="Longest time for a batch forecast, in seconds."
    )

    own_endpoints: int = Field(4, ge=0, description="Newest predictors that get a Serve deployment of their own.")
    endpoint_min_replicas: int = Field(1, ge=1, description="Replicas that a predictor's own deployment keeps.")
    endpoint_max_replicas: int = Field(2, ge=1, description="Replicas it may grow to.")
    # A replica's event loop has one core: with one request in it at all times it is fully busy.
    endpoint_target_ongoing_requests: float = Field(
        0.8,
        gt=0,
        allow_inf_nan=False,
        description="Mean number of requests in a replica of it, above which Serve adds a replica.",
    )
    upscale_delay_s: float = Field(
        5,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long such a deployment, or the pool, needs more replicas before Serve adds them, in seconds.",
    )
    downscale_delay_s: float = Field(
        600,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="How long it needs fewer before Serve removes them, in seconds.",
    )
    requested_endpoints: int = Field(
        4, ge=0, description="Predictors for which the users of a tenant may ask for a deployment of its own."
    )
    requested_max_replicas: int = Field(
        4, ge=1, le=1000, description="Largest number of replicas that they may ask for."
    )
    pool_min_replicas: int = Field(1, ge=1, description="Replicas that the shared predictor pool keeps.")
    pool_max_replicas: int = Field(2, ge=1, description="Replicas it may grow to; each loads models of its own.")
    # One client that waits for each answer before its next request never makes the pool grow.
    pool_target_ongoing_requests: float = Field(
        1.2,
        gt=0,
        allow_inf_nan=False,
        description="Mean number of calls in a replica of the pool, above which Serve adds a replica. Requests for one "
        "model that wait together are one call.",
    )
    pool_replicas: int | None = Field(
        None, ge=1, description="Older name of `DATAML_POOL_MIN_REPLICAS`, which goes before it."
    )
    pool_models: int = Field(64, ge=1, description="Models that one replica of the pool keeps loaded.")
    request_timeout_s: float = Field(
        30, gt=0, allow_inf_nan=False, description="Longest time for a real-time prediction, in seconds."
    )
    api_replicas: int = Field(1, ge=1, description="Replicas of the API.")
    spare_process: bool = Field(
        True, description="Keep an idle process that has imported the API, in which the next replica starts sooner."
    )
    prediction_log: bool = Field(True, description="Keep every real-time prediction in the prediction log.")

    metrics: bool = Field(True, description="Answer `GET /metrics`, for Prometheus.")
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Bearer token with which `GET /metrics` answers, 16 characters or more; without one only the "
        "administrators of the platform read it.",
    )
    metrics_predictors: int = Field(
        200, ge=0, description="Versions of predictors whose metrics are kept apart; all others are added up."
    )

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://.",
        description="Collector of OpenTelemetry that gets traces, `http://host:4318`; needs the extra `otel`. No "
        "traces when not set.",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_older_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Take the constant number of replicas of older configurations for the smallest one."""
        replicas = str(values.get("pool_replicas"))
        if "pool_min_replicas" in values or not replicas.isdecimal() or int(replicas) < 1:
            return values
        # What worked as a constant must not become larger than the default of the other bound.
        is_bounded = "pool_max_replicas" in values or int(replicas) <= cls.model_fields["pool_max_replicas"].default
        return values | {"pool_min_replicas": replicas} | ({} if is_bounded else {"pool_max_replicas": replicas})

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        for deployment in ("endpoint", "pool"):
            smallest, largest = (f"{deployment}_{bound}_replicas" for bound in ("min", "max"))
            if getattr(self, smallest) > getattr(self, largest):
                raise ValueError(f"DATAML_{smallest.upper()} is larger than DATAML_{largest.upper()}")
        if self.grpc_port == self.port:
            raise ValueError("DATAML_GRPC_PORT is the same as DATAML_PORT")
        if self.admin_password is not None:
            # Bytes of Unicode form NFC, as the log-in counts them.
            counted = unicodedata.normalize("NFC", self.admin_password.get_secret_value()[:5000])
            if not 12 <= len(counted.encode(errors="surrogatepass")) <= 1024:
                raise ValueError("DATAML_ADMIN_PASSWORD needs 12 to 1024 bytes")
        if self.trino_url is not None:
            _check_trino(self.trino_url, self.trino_jwt)
        return self

    @cached_property
    def root(self) -> Path:
        """The home folder as an absolute path: actors do not share a working directory."""
        return self.home.expanduser().absolute()

    @property
    def storage_root(self) -> Path:
        """The folder of all files, or of this node's copies of an object store's."""
        return self.root / "storage"

    @property
    def key_file(self) -> Path:
        """The key that signs tokens."""
        return self.root / "token.key"

    @property
    def lake_root(self) -> Path:
        """The folder of the built-in lake."""
        return self.root / "lake"

    @property
    def sqlalchemy_url(self) -> str:
        """The database, for engines that run in an event loop."""
        return self.database_url or f"sqlite+aiosqlite:///{self.root / 'dataml.db'}"

    @property
    def blocking_url(self) -> str:
        """The database, for engines that run outside an event loop."""
        return self.sqlalchemy_url.replace("+aiosqlite", "")

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite, which serves one node."""
        return self.sqlalchemy_url.startswith("sqlite")


def _check_trino(url: str, jwt: str | None) -> None:
    """Refuse a Trino URL that is incomplete, or that would send a secret without TLS.

    Raises:
        ValueError: with the reason.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.strip("/"):
        raise ValueError("DATAML_TRINO_URL is no https://user:password@host:port/catalog")
    if not parts.username and jwt is None:
        raise ValueError("DATAML_TRINO_URL names no user, and there is no DATAML_TRINO_JWT")
    if parts.scheme == "http" and (parts.password or jwt):
        raise ValueError("DATAML_TRINO_URL sends a password or a JWT, which needs https")


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment.

    Raises:
        StartupError: a value is missing, out of range or unsafe; the message is one line.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "DATAML_" + str(first["loc"][0]).upper() if first["loc"] else ""
        message = first["msg"].removeprefix("Value error, ")
        raise StartupError(f"{name}: {message}" if name else message) from error
