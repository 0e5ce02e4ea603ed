"""Routes of predictors: their versions, aliases and traffic, promotion and roll-back."""

from collections import Counter
from typing import Annotated

from fastapi import Depends, Path
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.dependencies import Trainer, Viewer
from dataml.access.service import Principal
from dataml.db.scope import Page
from dataml.db.session import Database
from dataml.errors import Invalid, NotFound
from dataml.http.dependencies import Db
from dataml.http.lists import Filter, ListQuery
from dataml.http.routing import Router
from dataml.jobs.dependencies import Jobs
from dataml.train import champions
from dataml.train import service as trainings
from dataml.train.dependencies import CachedModels, ModelLookupCache
from dataml.train.models import Predictor
from dataml.train.predictors import service
from dataml.train.predictors.schemas import (
    AliasRequest,
    PredictorAnswer,
    PredictorList,
    PredictorRequest,
    PredictorRow,
    PromoteRequest,
    PromotionMode,
    RollbackRequest,
    TrafficRequest,
)

router = Router(prefix="/predictors", tags=["Predictors"])
PredictorPage = Annotated[
    Page,
    Depends(
        ListQuery(
            Predictor,
            search=("predictor_name",),
            filters={
                "name": Filter(
                    description="Only the predictor of this name, which may be the one in URLs.",
                    where=champions.is_named,
                ),
                "promotion": Filter("promotion", PromotionMode),
            },
            sort=("id", "predictor_name", "created_at", "modified_at"),
            time="created_at",
        )
    ),
]
PredictorName = Annotated[str, Path(description="Name of the predictor, or the one that it has in URLs.")]
Alias = Annotated[
    str,
    Path(
        description="`champion`, the version that answers for the predictor, or a name of your own: 1 to 63 small "
        "letters, digits and `. _ -`, not the number of a version."
    ),
]


@router.get("")
async def list_predictors(user: Viewer, database: Db, page: PredictorPage) -> PredictorList:
    """List the predictors of the tenant, newest first, each with the version that answers for it."""
    async with database.reading() as session:
        total, overviews = await service.list_overviews(session, user.scope, page)
    return PredictorList(total=total, data=[PredictorRow.from_overview(each, user.tenant_name) for each in overviews])


@router.get("/{predictor_name}")
async def get_predictor(predictor_name: PredictorName, user: Viewer, database: Db) -> PredictorAnswer:
    """Show a predictor with its versions, its aliases, and who has changed its champion and why."""
    return await _show(database, user, predictor_name)


@router.put("/{predictor_name}")
async def update_predictor(
    predictor_name: PredictorName, request: PredictorRequest, user: Trainer, database: Db
) -> PredictorAnswer:
    """Say whether a version that completes answers for the predictor by itself, or waits to be promoted."""
    async with database.transaction() as session:
        await service.set_promotion(session, user.scope, predictor_name, request.promotion)
    return await _show(database, user, predictor_name)


@router.put("/{predictor_name}/aliases/{alias}")
async def set_alias(
    predictor_name: PredictorName,
    alias: Alias,
    request: AliasRequest,
    user: Trainer,
    database: Db,
    models: CachedModels,
    jobs: Jobs,
) -> PredictorAnswer:
    """Make an alias name a version: a new alias, or one that named another version.

    `/models/{tenant}/{predictor}@{alias}/predict` calls that version. The alias `champion` promotes it.
    """
    async with database.transaction() as session:
        await service.set_alias(session, user.scope, predictor_name, alias, request.version)
    return await _show_changed(database, user, predictor_name, models, jobs)


@router.delete("/{predictor_name}/aliases/{alias}")
async def remove_alias(
    predictor_name: PredictorName, alias: Alias, user: Trainer, database: Db, models: CachedModels, jobs: Jobs
) -> PredictorAnswer:
    """Remove an alias. The version that it named stays."""
    async with database.transaction() as session:
        await service.remove_alias(session, user.scope, predictor_name, alias)
    return await _show_changed(database, user, predictor_name, models, jobs)


@router.post("/{predictor_name}/promote")
async def promote_version(
    predictor_name: PredictorName,
    request: PromoteRequest,
    user: Trainer,
    database: Db,
    models: CachedModels,
    jobs: Jobs,
) -> PredictorAnswer:
    """Let a version answer for its predictor, on all replicas after a second at most.

    No request fails meanwhile. A split of the traffic ends.
    """
    async with database.transaction() as session:
        await service.promote(session, user.scope, predictor_name, request.version, request.reason)
    return await _show_changed(database, user, predictor_name, models, jobs)


@router.post("/{predictor_name}/rollback")
async def roll_back_predictor(
    predictor_name: PredictorName,
    user: Trainer,
    database: Db,
    models: CachedModels,
    jobs: Jobs,
    request: RollbackRequest | None = None,
) -> PredictorAnswer:
    """Let the version answer again that did before the champion of now; once more goes one further back."""
    async with database.transaction() as session:
        await service.roll_back(session, user.scope, predictor_name, request.reason if request is not None else None)
    return await _show_changed(database, user, predictor_name, models, jobs)


@router.put("/{predictor_name}/traffic")
async def set_traffic(
    predictor_name: PredictorName,
    request: TrafficRequest,
    user: Trainer,
    database: Db,
    models: CachedModels,
    jobs: Jobs,
) -> PredictorAnswer:
    """Split the requests for a predictor by weight among versions, and copy them to shadows.

    A request with the header `X-Routing-Key` always goes to the same version while the split stays. The answers of
    shadows are only logged; they can neither slow a request nor fail it. Without a body of its own each part is empty:
    the champion gets all requests.
    """
    counts = Counter(share.version for share in request.split)
    if repeated := [version for version, count in counts.items() if count > 1]:
        raise Invalid(f"Version {repeated[0]} is in the split more than once.", code="version_repeated")
    weights = {share.version: share.weight for share in request.split}
    async with database.transaction() as session:
        await service.set_traffic(session, user.scope, predictor_name, weights, request.shadows)
    return await _show_changed(database, user, predictor_name, models, jobs)


async def _show(database: Database, user: Principal, predictor_name: str) -> PredictorAnswer:
    try:
        async with database.reading() as session:
            return await _read(session, user, predictor_name)
    except NotFound as error:
        raise await trainings.suggest_predictor(database, user, error, predictor_name) from None


async def _read(session: AsyncSession, user: Principal, predictor_name: str) -> PredictorAnswer:
    detail = await service.get_detail(session, user.scope, predictor_name)
    return PredictorAnswer.from_detail(detail, user.tenant_name)


async def _show_changed(
    database: Database, user: Principal, predictor_name: str, models: ModelLookupCache, jobs: Jobs
) -> PredictorAnswer:
    """Return a predictor whose models have changed; this replica and the deployer see it at once."""
    models.clear_models()
    await jobs.notify()
    return await _show(database, user, predictor_name)
