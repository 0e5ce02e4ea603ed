"""Champions: which version answers for each predictor, and how that changes."""

from typing import Final

from sqlalchemy import ColumnElement, func
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db import every_tenant
from dataml.db.scope import Scope
from dataml.errors import Conflict, NotFound
from dataml.train.models import Predictor, PredictorAlias, Promotion, PromotionKind, Training

AUTOMATIC: Final = "automatic"


async def add_predictor(session: AsyncSession, scope: Scope, predictor_name: str, url_name: str) -> None:
    """Add a predictor unless it exists. The tenant is locked meanwhile."""
    if await scope.find(session, Predictor, Predictor.predictor_name == predictor_name) is None:
        session.add(Predictor(tenant_id=scope.tenant_id, predictor_name=predictor_name, url_name=url_name))
        await session.flush()


def is_named(name: str) -> ColumnElement[bool]:
    """Return the condition of a predictor, by its name or by the one that it has in URLs."""
    # No predictor has the URL name of another as its own name.
    return (Predictor.predictor_name == name) | (Predictor.url_name == name)


async def get(session: AsyncSession, scope: Scope, predictor_name: str, *, held: bool = False) -> Predictor:
    """Return a predictor, whose name may be the one in URLs; with `held` it stays as it is until the transaction ends.

    Raises:
        NotFound: `predictor_not_found`.
    """
    # A name with NUL cannot be stored, and PostgreSQL's driver refuses it in a query.
    if "\0" not in predictor_name:
        predictor = await scope.find(session, Predictor, is_named(predictor_name), lock=held)
        if predictor is not None:
            return predictor
    raise NotFound("There is no predictor of this name.", code="predictor_not_found")


async def find_champion(session: AsyncSession, scope: Scope, name: str, *, in_url: bool = False) -> Training | None:
    """Return the version that answers for a predictor, or None. With `in_url` its name may be the one in URLs."""
    named = is_named(name) if in_url else Predictor.predictor_name == name
    champion = scope.select(Training).join(Predictor, Predictor.champion_id == Training.id)
    return await session.scalar(champion.where(Predictor.tenant_id == scope.tenant_id, named))


async def find_champion_ids(session: AsyncSession, scope: Scope, predictor_names: set[str]) -> set[int]:
    """Return the ids of the versions that answer for these predictors."""
    champions = scope.select_columns(Predictor, Predictor.champion_id)
    named = champions.where(Predictor.predictor_name.in_(predictor_names), Predictor.champion_id.is_not(None))
    return set((await session.scalars(named)).all())


def is_champion() -> ColumnElement[bool]:
    """Return the condition of a version that answers for its predictor, of any tenant."""
    # By the predictor's name, which has an index, and not by a list of all champions.
    own = (Predictor.tenant_id == Training.tenant_id, Predictor.predictor_name == Training.predictor_name)
    return every_tenant.select(Predictor.id).where(*own, Predictor.champion_id == Training.id).exists()


async def promote(
    session: AsyncSession,
    scope: Scope,
    predictor: Predictor,
    training: Training,
    kind: PromotionKind,
    reason: str | None = None,
) -> None:
    """Make a completed version the champion of a predictor that is held, and write it into the history."""
    predictor.champion_id = training.id
    # It answers now, so it is no shadow any more.
    predictor.shadows = [each for each in predictor.shadows or () if each["train_id"] != training.id] or None
    training.is_promoted = True
    session.add(
        Promotion(
            tenant_id=scope.tenant_id,
            predictor_id=predictor.id,
            training_id=training.id,
            version=training.version,
            kind=kind.value,
            reason=reason,
            created_by=scope.username,
        )
    )
    await session.flush()


async def promote_completed(session: AsyncSession, scope: Scope, training: Training, *, is_better: bool) -> None:
    """Record that a version has completed; it becomes the champion where the predictor promotes automatically.

    A continuation that came out worse than its parent does not, nor an older version than the champion. While the
    traffic is split, nothing changes by itself.
    """
    predictor = await get(session, scope, training.predictor_name, held=True)
    training.is_promoted = is_better and predictor.promotion == AUTOMATIC and predictor.traffic is None
    champion = await scope.find(session, Training, Training.id == (predictor.champion_id or 0))
    if training.is_promoted and (champion is None or champion.version < training.version):
        await promote(session, scope, predictor, training, PromotionKind.AUTOMATIC)


async def refuse_addressed(session: AsyncSession, scope: Scope, training: Training) -> None:
    """Refuse to delete a version that an alias names, or that gets a share or copies of the traffic.

    Raises:
        Conflict: `training_in_use`.
    """
    alias = await scope.find(session, PredictorAlias, PredictorAlias.training_id == training.id)
    if alias is not None:
        detail = f"The alias {alias.alias!r} of the predictor names this version; move or remove it first."
        raise Conflict(detail, code="training_in_use")
    predictor = await get(session, scope, training.predictor_name, held=True)
    if any(share["train_id"] == training.id for share in (*(predictor.traffic or ()), *(predictor.shadows or ()))):
        detail = "This version gets a part of the predictor's traffic; change the traffic first."
        raise Conflict(detail, code="training_in_use")


async def release_version(session: AsyncSession, scope: Scope, training: Training) -> None:
    """Take a version that is about to be deleted from its predictor, whose newest promoted version answers then.

    With its last version the predictor is deleted, too.
    """
    predictor = await get(session, scope, training.predictor_name, held=True)
    others = (Training.predictor_name == training.predictor_name, Training.id != training.id)
    if predictor.champion_id == training.id:
        predictor.champion_id = None
        newest = scope.select(Training).where(*others, Training.status == "completed", Training.is_promoted)
        champion = await session.scalar(newest.order_by(Training.version.desc()).limit(1))
        if champion is not None:
            await promote(session, scope, predictor, champion, PromotionKind.DELETION)
        await session.flush()
    if not await session.scalar(scope.select_columns(Training, func.count()).where(*others)):
        await session.execute(scope.delete(PredictorAlias).where(PredictorAlias.predictor_id == predictor.id))
        await session.execute(scope.delete(Promotion).where(Promotion.predictor_id == predictor.id))
        await session.execute(scope.delete(Predictor).where(Predictor.id == predictor.id))
