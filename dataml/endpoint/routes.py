"""Calls about endpoints: which predictors have a deployment of their own."""

import asyncio

from dataml.access.dependencies import Trainer, Viewer
from dataml.access.service import Principal
from dataml.db.session import Database
from dataml.endpoint import service
from dataml.endpoint.schemas import EndpointAnswer, EndpointList, EndpointRequest
from dataml.endpoint.service import RequestedScaling, WantedDeployment
from dataml.http.dependencies import AppSettings, Db, Paged, PlatformMetrics
from dataml.http.routing import Router
from dataml.inference.dependencies import ModelClient
from dataml.metrics.recording import Labels
from dataml.metrics.totals import MetricsSource
from dataml.serving.model_runner import InferenceClient, version_labels
from dataml.settings import Settings
from dataml.train import champions
from dataml.train import service as trainings
from dataml.train.models import Training

router = Router(prefix="/endpoints", tags=["Endpoints"])


@router.get("")
async def list_endpoints(
    user: Viewer, database: Db, settings: AppSettings, client: ModelClient, metrics: PlatformMetrics, page: Paged
) -> EndpointList:
    """List the predictors that have a deployment of their own, or soon get one.

    Those that a user has asked for come first, then those that are among the newest of the platform.
    """
    async with database.reading() as session:
        wanted = await service.list_wanted(session, settings, user.tenant_id)
    shown = wanted[page.offset : page.offset + page.limit]
    statuses, recent_calls = await asyncio.gather(
        client.list_deployments(user.tenant_id, [each.training.predictor_name for each in shown]),
        metrics.list_recent_calls([_labels(user, each.training) for each in shown]),
    )
    answers = [
        EndpointAnswer.from_training(
            each.training, user.tenant_name, each, statuses.get(each.training.predictor_name), calls, is_serving=True
        )
        for each, calls in zip(shown, recent_calls, strict=True)
    ]
    return EndpointList(total=len(wanted), data=answers)


@router.get("/{train_id}")
async def get_endpoint(
    train_id: int, user: Viewer, database: Db, settings: AppSettings, client: ModelClient, metrics: PlatformMetrics
) -> EndpointAnswer:
    """Return what is wanted of a predictor's deployment, and what runs.

    Only the newest promoted version of a predictor has one. The pool answers for all others.
    """
    return await _describe(database, settings, client, metrics, user, train_id)


@router.put("/{train_id}")
async def request_endpoint(
    train_id: int,
    user: Trainer,
    database: Db,
    settings: AppSettings,
    client: ModelClient,
    metrics: PlatformMetrics,
    request: EndpointRequest | None = None,
) -> EndpointAnswer:
    """Give the predictor of a completed training a deployment of its own, or change how it is scaled.

    The pool answers until the deployment is up. A newer version of the predictor takes it over.
    """
    request = request or EndpointRequest()
    async with database.transaction() as session:
        scaling = RequestedScaling(**request.model_dump())
        await service.request_deployment(session, settings, user.scope, train_id, scaling)
    return await _describe(database, settings, client, metrics, user, train_id)


@router.delete("/{train_id}")
async def withdraw_endpoint(
    train_id: int, user: Trainer, database: Db, settings: AppSettings, client: ModelClient, metrics: PlatformMetrics
) -> EndpointAnswer:
    """Give a predictor back to the pool.

    One that is among the newest of the platform keeps its deployment: then `wanted` is `newest`.
    """
    async with database.transaction() as session:
        await service.withdraw_request(session, user.scope, train_id)
    return await _describe(database, settings, client, metrics, user, train_id)


async def _describe(
    database: Database,
    settings: Settings,
    client: InferenceClient,
    metrics: MetricsSource,
    user: Principal,
    train_id: int,
) -> EndpointAnswer:
    async with database.reading() as session:
        training = await trainings.get(session, user.scope, train_id)
        name = training.predictor_name
        is_serving = training.id in await champions.find_champion_ids(session, user.scope, {name})
        all_wanted = await service.list_wanted(session, settings, user.tenant_id)
    # The deployment of a predictor runs its newest promoted version: another version has none.
    statuses = await client.list_deployments(user.tenant_id, [name]) if is_serving else {}
    (recent_calls,) = await metrics.list_recent_calls([_labels(user, training)])
    wanted: WantedDeployment | None = next((each for each in all_wanted if each.training.id == training.id), None)
    return EndpointAnswer.from_training(
        training, user.tenant_name, wanted, statuses.get(name), recent_calls, is_serving=is_serving
    )


def _labels(user: Principal, training: Training) -> Labels:
    """Return the labels that the calls of a version are recorded with."""
    return version_labels(user.tenant_name, training.predictor_name, training.version)
