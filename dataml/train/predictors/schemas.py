"""The JSON of the calls about predictors, their aliases and their traffic."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from dataml.http.answers import build_answer
from dataml.http.requests import request_config
from dataml.train.models import Predictor, Promotion, PromotionKind, Training, TrainingState
from dataml.train.predictors.service import MAX_SHADOWS, TOTAL_WEIGHT, PredictorDetail, PredictorOverview
from dataml.train.schemas import direct_route

Version = Annotated[int, Field(ge=1, le=2**31 - 1, description="Number of a version of the predictor.")]
Reason = Annotated[str | None, Field(max_length=500, description="Why; the history and the audit log have it.")]
PromotionMode = Literal["automatic", "manual"]
_PROMOTION = (
    "`automatic`: a version that completes answers for the predictor, unless it is a continuation that came out worse "
    "than its parent, or the traffic is split. `manual`: it waits to be promoted."
)


class PredictorRequest(BaseModel):
    """What to change of a predictor."""

    model_config = request_config({"promotion": "manual"})

    promotion: PromotionMode = Field(description=_PROMOTION)


class AliasRequest(BaseModel):
    """The version that an alias names."""

    model_config = request_config({"version": 2})

    version: Version


class PromoteRequest(BaseModel):
    """The version that is to answer for its predictor, and why."""

    model_config = request_config({"version": 2, "reason": "Better on the data of October."})

    version: Version
    reason: Reason = None


class RollbackRequest(BaseModel):
    """Why the champion before is to answer again."""

    model_config = request_config({"reason": "Version 2 approves too many."})

    reason: Reason = None


class Share(BaseModel):
    """The share of the requests that one version gets."""

    model_config = request_config({"version": 2, "weight": 10})

    version: Version
    weight: int = Field(ge=1, le=TOTAL_WEIGHT, description="Percent of the requests.")


class TrafficRequest(BaseModel):
    """How the requests for a predictor go to its versions."""

    model_config = request_config(
        {"split": [{"version": 1, "weight": 90}, {"version": 2, "weight": 10}], "shadows": [3]}
    )

    split: list[Share] = Field(
        default=[],
        max_length=10,
        description=f"Versions and their weights, which add up to {TOTAL_WEIGHT}; empty: the champion gets all.",
    )
    shadows: list[Version] = Field(
        default=[],
        max_length=100,
        description=f"At most {MAX_SHADOWS} versions that get a copy of each request. Their answers are only logged.",
    )


class AliasRow(BaseModel):
    """An alias, and the version that it names."""

    alias: str
    version: int
    train_id: int
    endpoint_url: str = Field(description="Path of the version by this alias, for POST.")
    created_by: str = Field(description="Who has set it last.")
    modified_at: datetime = Field(description="When it was set last.")


class ShareRow(BaseModel):
    """A version that gets a share of the requests."""

    version: int
    train_id: int
    weight: int = Field(description="Percent of the requests.")


class ShadowRow(BaseModel):
    """A version that gets a copy of each request."""

    version: int
    train_id: int


class PredictorRow(BaseModel):
    """A predictor, and which version answers for it."""

    predictor_name: str
    url_name: str = Field(description="The predictor in URLs.")
    problem_type: str = Field(description="That of the champion; without one, that of the newest version.")
    promotion: PromotionMode = Field(description=_PROMOTION)
    champion_version: int | None = Field(description="The version that answers; null until one has completed.")
    champion_train_id: int | None
    endpoint_url: str | None = Field(description="Path of the champion, for POST; null without one.")
    newest_version: int
    versions: int = Field(description="Versions that are there; deleted ones do not count.")
    aliases: list[AliasRow]
    split: list[ShareRow] = Field(description="Versions that share the requests; empty: the champion gets all.")
    shadows: list[ShadowRow] = Field(description="Versions that get a copy of each request.")
    created_at: datetime
    modified_at: datetime

    @classmethod
    def from_overview(cls, overview: PredictorOverview, tenant_name: str) -> Self:
        """Return a predictor as lists show it."""
        return build_answer(cls, overview.predictor, **_row_fields(overview, tenant_name))


class PredictorList(BaseModel):
    """A page of predictors."""

    total: int
    data: list[PredictorRow]


class VersionRow(BaseModel):
    """A version of a predictor."""

    version: int
    train_id: int
    state: TrainingState
    algorithm: str | None
    metric: str | None = Field(description="Name of the main metric, as in `GET /train/list`.")
    metric_value: float | None
    is_champion: bool
    aliases: list[str] = Field(description="The aliases that name it, without `champion`.")
    created_by: str
    created_at: datetime


class PromotionRow(BaseModel):
    """A change of the champion."""

    version: int
    train_id: int
    kind: PromotionKind = Field(
        description="`automatic`: the version had completed; `manual`: a user has promoted it; `rollback`; `deletion`: "
        "the champion before was deleted."
    )
    reason: str | None
    created_by: str
    created_at: datetime

    @classmethod
    def from_promotion(cls, promotion: Promotion) -> Self:
        """Return a change as the history shows it."""
        return build_answer(cls, promotion, train_id=promotion.training_id)


class PredictorAnswer(PredictorRow):
    """A predictor with its versions, and the history of its champions."""

    data: list[VersionRow] = Field(description="The versions, newest first.")
    promotions: list[PromotionRow] = Field(description="The last changes of the champion, newest first.")

    @classmethod
    def from_detail(cls, detail: PredictorDetail, tenant_name: str) -> Self:
        """Return a predictor with all its versions."""
        predictor = detail.overview.predictor
        return build_answer(
            cls,
            predictor,
            **_row_fields(detail.overview, tenant_name),
            data=[_version_row(detail, training) for training in detail.overview.versions],
            promotions=[PromotionRow.from_promotion(promotion) for promotion in detail.promotions],
        )


def _row_fields(overview: PredictorOverview, tenant_name: str) -> dict[str, object]:
    predictor, champion = overview.predictor, overview.champion
    return {
        "problem_type": (champion or overview.versions[0]).problem_type,
        "champion_version": champion.version if champion is not None else None,
        "champion_train_id": champion.id if champion is not None else None,
        "endpoint_url": direct_route(champion, tenant_name) if champion is not None else None,
        "newest_version": overview.versions[0].version,
        "versions": len(overview.versions),
        "aliases": [
            build_answer(
                AliasRow,
                alias,
                version=training.version,
                train_id=training.id,
                endpoint_url=direct_route(training, tenant_name, alias=alias.alias),
            )
            for alias, training in overview.aliases
        ],
        **_traffic_fields(predictor),
    }


def _traffic_fields(predictor: Predictor) -> dict[str, object]:
    return {
        "split": [ShareRow.model_validate(share) for share in predictor.traffic or ()],
        "shadows": [ShadowRow.model_validate(shadow) for shadow in predictor.shadows or ()],
    }


def _version_row(detail: PredictorDetail, training: Training) -> VersionRow:
    aliases = [alias.alias for alias, named in detail.overview.aliases if named.id == training.id]
    return build_answer(
        VersionRow,
        training,
        train_id=training.id,
        state=training.state_with(detail.jobs.get(training.id)),
        is_champion=training.id == detail.overview.predictor.champion_id,
        aliases=aliases,
    )
