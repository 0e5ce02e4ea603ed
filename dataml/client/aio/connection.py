"""The client of a platform: `connect` returns one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from dataml.client import credentials
from dataml.client.aio.audit import Audit
from dataml.client.aio.datasets import Dataset, Datasets
from dataml.client.aio.jobs import Job, Jobs
from dataml.client.aio.keys import Keys
from dataml.client.aio.lake import Lake
from dataml.client.aio.models import Model, Models
from dataml.client.aio.open_sessions import OpenSessions
from dataml.client.aio.operations import Operations
from dataml.client.aio.predictors import Predictors
from dataml.client.aio.roles import Roles
from dataml.client.aio.runtime import HttpTransport
from dataml.client.aio.templates import Templates
from dataml.client.aio.tenants import Tenants
from dataml.client.aio.transport import DEFAULT_TIMEOUT_S, OnCall, Transport
from dataml.client.aio.users import Users
from dataml.client.progress import ShowProgress
from dataml.client.retries import RetryPolicy
from dataml.client.training_requests import ProblemType, TrainOptions, guess_problem_type, train_request

if TYPE_CHECKING:
    from dataml.client import schemas


def connect(
    url: str | None = None,
    *,
    username: str | None = None,
    password: str | None = None,
    api_key: str | None = None,
    profile: str | None = None,
    verify: bool | str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_retries: int = 4,
    http_transport: HttpTransport | None = None,
    on_call: OnCall | None = None,
) -> Client:
    """Return a client of a platform. Nothing is sent before its first call.

    Who calls is said by the arguments, else by `DATAML_URL` and `DATAML_API_KEY`, else by the profile that
    `dataml login` has written.

    Args:
        url: Address of the platform, by default `http://127.0.0.1:8000`.
        username: Name of a user, with `password`.
        password: The password of that user.
        api_key: An API key, in place of a user.
        profile: Name of a profile, in place of `default`.
        verify: Whether the certificate of the platform is checked, or a file with the authorities to trust.
        timeout_s: How long to wait for an answer, in seconds.
        max_retries: How often a call is sent again that may be; 0 for never.
        http_transport: A transport of httpx, in place of the network.
        on_call: Called with each request before it is sent.

    Raises:
        NotSignedIn: Nothing says who calls.
    """
    who = credentials.resolve(url, username, password, api_key, profile)
    checked = verify if verify is not None else who.verify
    transport = Transport(
        who,
        timeout_s=timeout_s,
        verify=True if checked is None else checked,
        retries=RetryPolicy(max_retries),
        http_transport=http_transport,
        on_call=on_call,
    )
    return Client(transport)


class Client:
    """One platform, as one caller sees it.

    Attributes:
        api: Every call of the API, by its operation id.
        datasets: Uploads and datasets.
        templates: Templates.
        models: Trainings and their models.
        predictors: Which version of each predictor answers.
        jobs: What takes long.
        lake: Tables of the data lake.
        users: Who may use the platform.
        roles: Which permissions belong together.
        keys: API keys of the caller.
        sessions: Open sessions of the caller.
        tenants: All tenants, for an administrator of the platform.
        audit: Who did what.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.api = Operations(transport)
        self.datasets = Datasets(transport, self.api)
        self.templates = Templates(self.api)
        self.models = Models(transport, self.api)
        self.predictors = Predictors(self.api)
        self.jobs = Jobs(self.api, self._load_subject)
        self.lake = Lake(self.api)
        self.users = Users(self.api)
        self.roles = Roles(self.api)
        self.keys = Keys(self.api)
        self.sessions = OpenSessions(self.api)
        self.tenants = Tenants(self.api)
        self.audit = Audit(self.api)

    @property
    def url(self) -> str:
        """Address of the platform."""
        return self.transport.url

    @property
    def profile(self) -> str | None:
        """Name of the profile that says who calls; None where the arguments or the environment do."""
        return self.transport.session.profile

    async def close(self) -> None:
        """Close the connections. The session goes on, so that a profile can be used again."""
        await self.transport.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def whoami(self) -> schemas.CallerAnswer:
        """Return who calls, and what they may do."""
        return await self.api.test_token()

    @overload
    async def train(
        self,
        data: Dataset | int | str,
        target: str,
        *,
        wait: Literal[True] = True,
        timeout_s: float | None = None,
        progress: ShowProgress = None,
        **options: Unpack[TrainOptions],
    ) -> Model: ...

    @overload
    async def train(
        self,
        data: Dataset | int | str,
        target: str,
        *,
        wait: Literal[False],
        timeout_s: float | None = None,
        progress: ShowProgress = None,
        **options: Unpack[TrainOptions],
    ) -> Job[Model]: ...

    async def train(
        self,
        data: Dataset | int | str,
        target: str,
        *,
        wait: bool = True,
        timeout_s: float | None = None,
        progress: ShowProgress = None,
        **options: Unpack[TrainOptions],
    ) -> Model | Job[Model]:
        """Train a predictor on a dataset, and return its model, or the job that makes it.

        Args:
            data: A dataset, its id or its name.
            target: The column to predict.
            wait: Whether to wait until the training is done. False returns the job, which can be waited for.
            timeout_s: How long to wait at most, in seconds.
            progress: Whether the progress is shown, or a function that gets it.
            **options: `name`, `problem_type`, `id`, `time`, ...: see `TrainOptions`.

        Raises:
            Invalid: A column or an option is wrong.
            Conflict: There is a predictor of this name, or the dataset is not valid.
            JobFailed: The training has failed.
            WaitTimeout: It has not ended in time; it goes on.
        """
        body = await self._build_training(data, target, options)
        created = await self.api.create_training(body, idempotency_key=options.get("idempotency_key"))
        train_id = created["id"]

        async def load() -> Model:
            return await self.models.get(train_id)

        job = Job(self.api, await self.api.get_job(created["job_id"]), load)
        return await job.wait(timeout_s=timeout_s, progress=progress) if wait else job

    async def check_training(
        self, data: Dataset | int | str, target: str, **options: Unpack[TrainOptions]
    ) -> schemas.TrainChecked:
        """Return what `train` with the same arguments would train, and start nothing.

        Args:
            data: A dataset, its id or its name.
            target: The column to predict.
            **options: As `train` takes them.

        Raises:
            Invalid: A column or an option is wrong.
            Conflict: There is a predictor of this name, or the dataset is not valid.
        """
        return await self.api.check_training(await self._build_training(data, target, options))

    async def _build_training(
        self, data: Dataset | int | str, target: str, options: TrainOptions
    ) -> schemas.TrainRequest:
        dataset = data if isinstance(data, Dataset) else await self.datasets.get(data)
        problem_type = options.get("problem_type") or await self._guess_problem_type(dataset, target, options)
        return train_request(dataset.id, dataset.name, target, problem_type, options)

    async def _guess_problem_type(self, dataset: Dataset, target: str, options: TrainOptions) -> ProblemType:
        if options.get("horizon") or options.get("forecast"):
            return "Forecast"
        data_type = dataset.data_type(target)
        rows: list[Any] = []
        if data_type == "Integer":
            answer = await self.api.view_dataset(dataset_id=dataset.id, columns=[target], limit=1000)
            rows = answer["preview"]
        return guess_problem_type(data_type, (row[target] for row in rows))

    async def _load_subject(self, job: schemas.JobDetail) -> Any:
        """Return what a job has made: a dataset or a model; for other jobs None."""
        if job["kind"] == "validate":
            return await self.datasets.get(job["subject_id"])
        if job["kind"] in ("train", "explain"):
            return await self.models.get(job["subject_id"])
        return None

    def __repr__(self) -> str:
        return f"Client({self.url!r})"
