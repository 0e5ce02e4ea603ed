"""Endpoints: which predictors have a deployment of their own, because they are the newest or on request."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import roles
from dataml.access.models import Tenant
from dataml.audit import service as audit
from dataml.db import every_tenant
from dataml.db.scope import Scope
from dataml.endpoint.models import Endpoint
from dataml.endpoint.scaling import Scaling
from dataml.errors import Conflict, Invalid, NotFound
from dataml.settings import Settings
from dataml.train import champions
from dataml.train import service as trainings
from dataml.train.models import Training


@dataclass(frozen=True)
class WantedDeployment:
    """A predictor that has, or soon gets, a deployment of its own; `training` is the version that runs in it.

    `request` is None where no user has asked for it: the predictor is among the newest.
    """

    training: Training
    tenant_name: str
    scaling: Scaling
    request: Endpoint | None


@dataclass(frozen=True)
class RequestedScaling:
    """What a user asks of the replicas of a deployment; what is None is as usual. See `Scaling`."""

    min_replicas: int = 1
    max_replicas: int | None = None
    target_ongoing_requests: float | None = None
    upscale_delay_s: float | None = None
    downscale_delay_s: float | None = None


async def request_deployment(
    session: AsyncSession,
    settings: Settings,
    scope: Scope,
    train_id: int,
    request: RequestedScaling,
) -> tuple[Training, Endpoint]:
    """Ask for a deployment of a predictor, or change how many replicas it has.

    What the request leaves out is as for deployments that nobody has asked for.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `model_not_ready`, `not_promoted`: another version answers for the predictor, or none does;
            `too_many_endpoints`: the tenant has as many as it may ask for.
        Invalid: `too_many_replicas`, `min_above_max`.
    """
    max_replicas = _check_replicas(settings, request)
    # Endpoints change for one request of the tenant at a time: their number is limited.
    await roles.lock(session, scope.tenant_id)
    training = await trainings.get_completed(session, scope, train_id, held=True)
    await _require_promoted(session, scope, training)
    endpoint = await find_request(session, scope, training.predictor_name)
    if endpoint is None:
        await _refuse_too_many(session, settings, scope)
        endpoint = Endpoint(
            tenant_id=scope.tenant_id, predictor_name=training.predictor_name, created_by=scope.username
        )
        session.add(endpoint)
    endpoint.min_replicas, endpoint.max_replicas = request.min_replicas, max_replicas
    endpoint.target_ongoing_requests = request.target_ongoing_requests
    endpoint.upscale_delay_s, endpoint.downscale_delay_s = request.upscale_delay_s, request.downscale_delay_s
    await session.flush()
    audit.record(
        session,
        scope,
        "endpoint.request",
        f"training:{training.id}",
        predictor_name=training.predictor_name,
        **asdict(_to_scaling(settings, endpoint)),
    )
    return training, endpoint


def _check_replicas(settings: Settings, request: RequestedScaling) -> int:
    """Return the largest number of replicas. Raises `Invalid`."""
    allowed = settings.requested_max_replicas
    largest = request.max_replicas
    if largest is None:
        largest = max(request.min_replicas, min(settings.endpoint_max_replicas, allowed))
    if max(request.min_replicas, largest) > allowed:
        raise Invalid(f"An endpoint may have {allowed} replicas at most.", code="too_many_replicas")
    if request.min_replicas > largest:
        raise Invalid("min_replicas is larger than max_replicas.", code="min_above_max")
    return largest


def _to_scaling(settings: Settings, endpoint: Endpoint | None) -> Scaling:
    """Return how a deployment is scaled: as a user has asked, or as usual."""
    usual = Scaling(
        settings.endpoint_min_replicas,
        settings.endpoint_max_replicas,
        settings.endpoint_target_ongoing_requests,
        settings.upscale_delay_s,
        settings.downscale_delay_s,
    )
    if endpoint is None:
        return usual
    requested = {field.name: getattr(endpoint, field.name) for field in fields(Scaling)}
    return replace(usual, **{name: value for name, value in requested.items() if value is not None})


async def _require_promoted(session: AsyncSession, scope: Scope, training: Training) -> None:
    """Refuse a version that does not answer for its predictor: the deployment would run another one.

    Raises:
        Conflict: `not_promoted`.
    """
    serving_ids = await champions.find_champion_ids(session, scope, {training.predictor_name})
    if training.id not in serving_ids:
        serving = "".join(f" Training {train_id} does." for train_id in serving_ids)
        detail = f"This version does not answer for its predictor, and so can have no endpoint.{serving}"
        raise Conflict(detail, code="not_promoted")


async def _refuse_too_many(session: AsyncSession, settings: Settings, scope: Scope) -> None:
    count = await session.scalar(scope.select_columns(Endpoint, func.count()))
    if (count or 0) >= settings.requested_endpoints:
        detail = f"A tenant may ask for {settings.requested_endpoints} endpoints; give one back first."
        raise Conflict(detail, code="too_many_endpoints")


async def withdraw_request(session: AsyncSession, scope: Scope, train_id: int) -> Training:
    """Give a predictor back to the pool; it keeps its deployment where it is among the newest.

    Raises:
        NotFound: `training_not_found`, `endpoint_not_found`: nobody has asked for one.
    """
    await roles.lock(session, scope.tenant_id)
    training = await trainings.hold(session, scope, train_id)
    endpoint = await find_request(session, scope, training.predictor_name)
    if endpoint is None:
        raise NotFound("Nobody has asked for an endpoint of this predictor.", code="endpoint_not_found")
    await session.delete(endpoint)
    subject = f"training:{training.id}"
    audit.record(session, scope, "endpoint.withdraw", subject, predictor_name=training.predictor_name)
    return training


async def find_request(session: AsyncSession, scope: Scope, predictor_name: str) -> Endpoint | None:
    """Return what a user has asked for a predictor, or None."""
    return await scope.find(session, Endpoint, Endpoint.predictor_name == predictor_name)


async def release_training(session: AsyncSession, scope: Scope, train_id: int) -> None:
    """Withdraw the request for a predictor whose last usable version is about to be removed.

    Another predictor that gets the name later does not inherit it.
    """
    training = await trainings.get(session, scope, train_id)
    others = (Training.predictor_name == training.predictor_name, Training.id != training.id)
    if await scope.find(session, Training, *others, Training.status.in_(("completed", "submitted_to_ray"))) is None:
        rows = scope.delete(Endpoint).where(Endpoint.predictor_name == training.predictor_name)
        await session.execute(rows)


async def list_wanted(
    session: AsyncSession, settings: Settings, tenant_id: str | None = None
) -> Sequence[WantedDeployment]:
    """Return the deployments that predictors should have: on request, and the newest; of all tenants or of one."""
    requested = every_tenant.select(Training, Tenant.name, Endpoint)
    requested = requested.join(Tenant, Tenant.id == Training.tenant_id).join(
        Endpoint, (Endpoint.tenant_id == Training.tenant_id) & (Endpoint.predictor_name == Training.predictor_name)
    )
    requested = requested.where(champions.is_champion(), Tenant.is_active)
    if tenant_id is not None:
        requested = requested.where(Endpoint.tenant_id == tenant_id)
    rows = await session.execute(requested.order_by(Endpoint.id))
    wanted = [
        WantedDeployment(training, name, _to_scaling(settings, endpoint), endpoint)
        for training, name, endpoint in rows.all()
    ]
    known = {each.training.id for each in wanted}
    for training, name in await trainings.list_champions(session, settings.own_endpoints):
        if training.id not in known and tenant_id in (None, training.tenant_id):
            wanted.append(WantedDeployment(training, name, _to_scaling(settings, None), None))
    return wanted
