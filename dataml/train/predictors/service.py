"""Predictors: their versions, aliases and traffic, and which version answers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from dataml.access import roles
from dataml.audit import service as audit
from dataml.db.scope import Page, Scope
from dataml.errors import Conflict, Invalid, NotFound
from dataml.jobs.models import Job
from dataml.train import champions
from dataml.train import service as trainings
from dataml.train.models import Predictor, PredictorAlias, Promotion, PromotionKind, Training

CHAMPION: Final = "champion"
MAX_ALIASES: Final = 100
TOTAL_WEIGHT: Final = 100
MAX_SHADOWS: Final = 3
_ALIAS: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
# Addresses tell versions and aliases apart by their form.
_VERSION: Final = re.compile(r"v?[0-9]+", re.ASCII)
_MAX_PROMOTIONS_SHOWN: Final = 100


@dataclass(frozen=True)
class PredictorOverview:
    """A predictor with its champion, all its versions, newest first, and its aliases."""

    predictor: Predictor
    champion: Training | None
    versions: Sequence[Training]
    aliases: Sequence[tuple[PredictorAlias, Training]]


@dataclass(frozen=True)
class PredictorDetail:
    """A predictor with the train jobs of its versions and the last changes of its champion."""

    overview: PredictorOverview
    jobs: Mapping[int, Job]
    promotions: Sequence[Promotion]


async def list_overviews(session: AsyncSession, scope: Scope, page: Page) -> tuple[int, list[PredictorOverview]]:
    """Return the number of predictors of the tenant, and a page of them, newest first."""
    total, predictors = await scope.list(session, Predictor, page)
    return total, await _build_overviews(session, scope, predictors)


async def get_detail(session: AsyncSession, scope: Scope, name: str) -> PredictorDetail:
    """Return a predictor with all its versions; its name may be the one in URLs.

    Raises:
        NotFound: `predictor_not_found`.
    """
    predictor = await champions.get(session, scope, name)
    (overview,) = await _build_overviews(session, scope, [predictor])
    history = scope.select(Promotion).where(Promotion.predictor_id == predictor.id).order_by(Promotion.id.desc())
    promotions = (await session.scalars(history.limit(_MAX_PROMOTIONS_SHOWN))).all()
    jobs = await trainings.find_train_jobs(session, scope, [version.id for version in overview.versions])
    return PredictorDetail(overview, jobs, promotions)


async def set_promotion(session: AsyncSession, scope: Scope, name: str, promotion: str) -> None:
    """Say whether a version that completes becomes the champion by itself.

    Raises:
        NotFound: `predictor_not_found`.
    """
    predictor = await _hold(session, scope, name)
    predictor.promotion = promotion
    audit.record(session, scope, "predictor.update", _subject(predictor), promotion=promotion)


async def set_alias(session: AsyncSession, scope: Scope, name: str, alias: str, version: int) -> None:
    """Make an alias name a version; `champion` promotes it.

    Raises:
        Invalid: `invalid_alias`, `reserved_alias`.
        NotFound: `predictor_not_found`, `version_not_found`.
        Conflict: `model_not_ready`, `already_champion`, `too_many_aliases`.
    """
    if alias == CHAMPION:
        await promote(session, scope, name, version, None)
        return
    _check_alias(alias)
    predictor = await _hold(session, scope, name)
    training = await _hold_version(session, scope, predictor, version)
    of_predictor = PredictorAlias.predictor_id == predictor.id
    row = await scope.find(session, PredictorAlias, of_predictor, PredictorAlias.alias == alias)
    if row is None:
        if len((await session.scalars(scope.select(PredictorAlias).where(of_predictor))).all()) >= MAX_ALIASES:
            raise Conflict(f"A predictor may have {MAX_ALIASES} aliases; remove one first.", code="too_many_aliases")
        row = PredictorAlias(tenant_id=scope.tenant_id, predictor_id=predictor.id, alias=alias)
        session.add(row)
    row.training_id, row.created_by = training.id, scope.username
    await session.flush()
    audit.record(
        session, scope, "predictor.set_alias", _subject(predictor), alias=alias, version=version, train_id=training.id
    )


async def remove_alias(session: AsyncSession, scope: Scope, name: str, alias: str) -> None:
    """Remove an alias; the version stays.

    Raises:
        NotFound: `predictor_not_found`, `alias_not_found`.
        Conflict: `champion_required`.
    """
    predictor = await _hold(session, scope, name)
    if alias == CHAMPION:
        detail = "A predictor keeps its champion; promote another version in its place."
        raise Conflict(detail, code="champion_required")
    row = await _find_alias(session, scope, predictor.id, alias)
    await session.delete(row)
    audit.record(session, scope, "predictor.remove_alias", _subject(predictor), alias=alias, train_id=row.training_id)


async def promote(session: AsyncSession, scope: Scope, name: str, version: int, reason: str | None) -> None:
    """Make a version the champion. It gets all traffic: a split ends.

    Raises:
        NotFound: `predictor_not_found`, `version_not_found`.
        Conflict: `model_not_ready`, `already_champion`.
    """
    predictor = await _hold(session, scope, name)
    training = await _hold_version(session, scope, predictor, version)
    if predictor.champion_id == training.id and predictor.traffic is None:
        raise Conflict(f"Version {version} is the champion already.", code="already_champion")
    await _change_champion(session, scope, predictor, training, PromotionKind.MANUAL, reason)


async def roll_back(session: AsyncSession, scope: Scope, name: str, reason: str | None) -> None:
    """Make the version the champion that was it before; the one that was replaced is not promoted by itself again.

    Raises:
        NotFound: `predictor_not_found`.
        Conflict: `no_earlier_champion`: no other version has answered before, or none of them is left.
    """
    predictor = await _hold(session, scope, name)
    earlier = await _find_earlier_champion(session, scope, predictor)
    if earlier is None:
        detail = "No other version of this predictor has answered before, or none of them is left."
        raise Conflict(detail, code="no_earlier_champion")
    replaced = await scope.find(session, Training, Training.id == (predictor.champion_id or 0))
    if replaced is not None:
        replaced.is_promoted = False
    await _change_champion(session, scope, predictor, earlier, PromotionKind.ROLLBACK, reason)


async def set_traffic(
    session: AsyncSession, scope: Scope, name: str, weights: Mapping[int, int], shadows: Sequence[int]
) -> None:
    """Split the traffic of a predictor by weight among versions, and copy it to others, which answer nobody.

    Args:
        session: the transaction.
        scope: the tenant.
        name: of the predictor, or the one in URLs.
        weights: percent of the requests by version; empty: the champion gets all.
        shadows: versions that get a copy.

    Raises:
        NotFound: `predictor_not_found`, `version_not_found`.
        Conflict: `model_not_ready`, `different_problem_type`.
        Invalid: `weights_do_not_add_up`, `too_many_shadows`, `shadow_gets_traffic`.
    """
    predictor = await _hold(session, scope, name)
    if weights and sum(weights.values()) != TOTAL_WEIGHT:
        total = sum(weights.values())
        raise Invalid(f"The weights add up to {total}, and not to {TOTAL_WEIGHT}.", code="weights_do_not_add_up")
    if len(set(shadows)) > MAX_SHADOWS:
        raise Invalid(f"At most {MAX_SHADOWS} versions can be shadows at a time.", code="too_many_shadows")
    champion = await scope.find(session, Training, Training.id == (predictor.champion_id or 0))
    answering = set(weights) or ({champion.version} if champion is not None else set())
    if both := sorted(answering & set(shadows)):
        raise Invalid(f"Version {both[0]} answers requests, and so cannot be a shadow.", code="shadow_gets_traffic")
    by_version = {
        version: await _hold_version(session, scope, predictor, version) for version in sorted({*weights, *shadows})
    }
    kinds = {each.problem_type for each in (*by_version.values(), *((champion,) if champion is not None else ()))}
    if len(kinds) > 1:
        detail = f"These versions are not of one problem type: {', '.join(sorted(kinds))}."
        raise Conflict(detail, code="different_problem_type")
    predictor.traffic = [
        {"train_id": by_version[version].id, "version": version, "weight": weight}
        for version, weight in sorted(weights.items())
    ] or None
    predictor.shadows = [
        {"train_id": by_version[version].id, "version": version} for version in sorted(set(shadows))
    ] or None
    shares = [f"version {version}: {weight}%" for version, weight in sorted(weights.items())]
    copied = [f"version {version}" for version in sorted(set(shadows))]
    audit.record(session, scope, "predictor.set_traffic", _subject(predictor), weights=shares, shadows=copied)


async def find_traffic(
    session: AsyncSession, scope: Scope, name: str
) -> tuple[Sequence[Mapping[str, int]], Sequence[Mapping[str, int]]]:
    """Return how the traffic of a predictor is split, and its shadows; both are empty where the champion gets all."""
    columns = scope.select_columns(Predictor, Predictor.traffic, Predictor.shadows)
    row = (await session.execute(columns.where(Predictor.predictor_name == name))).one_or_none()
    return (row.traffic or (), row.shadows or ()) if row is not None else ((), ())


async def get_addressed(session: AsyncSession, scope: Scope, name: str, reference: str) -> Training:
    """Return the completed version of a predictor that an address names: by its number, as `3` or `v3`, or an alias.

    Raises:
        NotFound: `predictor_not_found`, `version_not_found`, `alias_not_found`.
        Conflict: `model_not_ready`.
    """
    predictor = await champions.get(session, scope, name)
    if _VERSION.fullmatch(reference):
        version = int(reference.removeprefix("v")[:20])
        return trainings.refuse_unfinished(await _find_version(session, scope, predictor, version))
    if reference == CHAMPION:
        return await trainings.get_champion(session, scope, predictor.predictor_name)
    alias = await _find_alias(session, scope, predictor.id, reference)
    return await trainings.get_completed(session, scope, alias.training_id)


def alias_of(reference: str) -> str:
    """Return the alias that an address has in place of a version; empty where it has the number of a version."""
    return "" if _VERSION.fullmatch(reference) else reference


def _check_alias(alias: str) -> None:
    if _ALIAS.fullmatch(alias) is None:
        detail = "An alias has 1 to 63 small letters, digits and . _ -, and begins with a letter or a digit."
        raise Invalid(detail, code="invalid_alias")
    if _VERSION.fullmatch(alias):
        raise Invalid(f"{alias!r} is the address of a version; choose another alias.", code="reserved_alias")


async def _change_champion(
    session: AsyncSession,
    scope: Scope,
    predictor: Predictor,
    training: Training,
    kind: PromotionKind,
    reason: str | None,
) -> None:
    before = predictor.champion_id or 0
    predictor.traffic = None
    await champions.promote(session, scope, predictor, training, kind, reason)
    action = "predictor.roll_back" if kind is PromotionKind.ROLLBACK else "predictor.promote"
    audit.record(
        session,
        scope,
        action,
        _subject(predictor),
        version=training.version,
        train_id=training.id,
        before=before,
        reason=reason or "",
    )


async def _find_earlier_champion(session: AsyncSession, scope: Scope, predictor: Predictor) -> Training | None:
    """Return the champion before the one of now, as the history has it: a roll-back takes its last entry back."""
    history = scope.select(Promotion).where(Promotion.predictor_id == predictor.id).order_by(Promotion.id)
    earlier: list[int] = []
    for promotion in await session.scalars(history):
        if promotion.kind == PromotionKind.ROLLBACK:
            while earlier and earlier[-1] != promotion.training_id:
                earlier.pop()
        else:
            earlier.append(promotion.training_id)
    for train_id in reversed(earlier):
        if train_id != predictor.champion_id:
            training = await scope.find(session, Training, Training.id == train_id)
            if training is not None:
                return training
    return None


# Of wide datasets these have megabytes.
_WITHOUT: Final = tuple(
    defer(column, raiseload=True) for column in (Training.feature_importance, Training.requested, Training.summary)
)


async def _build_overviews(
    session: AsyncSession, scope: Scope, predictors: Sequence[Predictor]
) -> list[PredictorOverview]:
    names = {predictor.predictor_name for predictor in predictors}
    rows = scope.select(Training).where(Training.predictor_name.in_(names)).options(*_WITHOUT)
    versions: dict[str, list[Training]] = {}
    for training in await session.scalars(rows.order_by(Training.version.desc())):
        versions.setdefault(training.predictor_name, []).append(training)
    ids = [predictor.id for predictor in predictors]
    of_predictors = scope.select(PredictorAlias).where(PredictorAlias.predictor_id.in_(ids))
    aliases = (await session.scalars(of_predictors.order_by(PredictorAlias.alias))).all()
    overviews = []
    for predictor in predictors:
        by_id = {training.id: training for training in versions[predictor.predictor_name]}
        overviews.append(
            PredictorOverview(
                predictor=predictor,
                champion=by_id.get(predictor.champion_id or 0),
                versions=versions[predictor.predictor_name],
                aliases=[(each, by_id[each.training_id]) for each in aliases if each.predictor_id == predictor.id],
            )
        )
    return overviews


async def _hold(session: AsyncSession, scope: Scope, name: str) -> Predictor:
    # Predictors change for one request of the tenant at a time, as their versions are deleted: so locks are taken in
    # one order.
    await roles.lock(session, scope.tenant_id)
    return await champions.get(session, scope, name, held=True)


async def _hold_version(session: AsyncSession, scope: Scope, predictor: Predictor, version: int) -> Training:
    training = await _find_version(session, scope, predictor, version)
    return await trainings.get_completed(session, scope, training.id, held=True)


async def _find_version(session: AsyncSession, scope: Scope, predictor: Predictor, version: int) -> Training:
    of_predictor = Training.predictor_name == predictor.predictor_name
    training = None
    # Numbers beyond the database's integers would fail in the driver.
    if 0 < version < 2**31:
        training = await scope.find(session, Training, of_predictor, Training.version == version)
    if training is None:
        raise NotFound("This predictor has no such version.", code="version_not_found")
    return training


async def _find_alias(session: AsyncSession, scope: Scope, predictor_id: int, alias: str) -> PredictorAlias:
    row = None
    if _ALIAS.fullmatch(alias):
        named = (PredictorAlias.predictor_id == predictor_id, PredictorAlias.alias == alias)
        row = await scope.find(session, PredictorAlias, *named)
    if row is None:
        raise NotFound("This predictor has no such alias.", code="alias_not_found")
    return row


def _subject(predictor: Predictor) -> str:
    return f"predictor:{predictor.url_name}"
