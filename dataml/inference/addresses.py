"""Addresses of predictors in URLs, and which of their versions answers."""

import random
import re
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.service import Principal
from dataml.errors import NotFound
from dataml.inference.service import find_servable_models, to_servable_model
from dataml.serving.model_runner import ServableModel
from dataml.train import service as trainings
from dataml.train.predictors import service as predictors
from dataml.train.predictors.service import TOTAL_WEIGHT

PREDICT_CALL: Final = "/predict"
FORECAST_CALL: Final = "/forecast"
"""The end of the direct route of a forecast."""
DIRECT_CALLS: Final = (PREDICT_CALL, FORECAST_CALL)
# Whether it is the number of a version is checked after the caller.
_VERSION: Final = re.compile(r"v.")


@dataclass(frozen=True)
class Address:
    """A predictor in a URL; `reference` is the number of a version or an alias, None for what answers by default."""

    tenant_name: str
    predictor_name: str
    reference: str | None = None


@dataclass(frozen=True)
class Target:
    """The versions that an address leads to.

    Attributes:
        shares: the versions that answer, with their weights, which add up to 100; one alone has all.
        shadows: the versions that get a copy.
    """

    shares: tuple[tuple[ServableModel, int], ...]
    shadows: tuple[ServableModel, ...] = ()

    def choose(self, routing_key: str | None) -> ServableModel:
        """Return the version for one request: the same for the same key, by chance without one."""
        if len(self.shares) == 1:
            return self.shares[0][0]
        point = random.randrange(TOTAL_WEIGHT) if routing_key is None else self._point(routing_key)
        for model, weight in self.shares:
            point -= weight
            if point < 0:
                return model
        return self.shares[-1][0]

    def _point(self, routing_key: str) -> int:
        # With the predictor's name, the same users do not get the new version of every predictor.
        text = f"{self.shares[0][0].predictor_name}\0{routing_key}".encode(errors="replace")
        return int.from_bytes(blake2b(text, digest_size=8).digest()) % TOTAL_WEIGHT


def is_direct(path: str) -> bool:
    """Return whether a path is of a direct route, so that `parse_address` can read it."""
    if not path.startswith("/models/") or not path.endswith(DIRECT_CALLS):
        return False
    slashes = path.count("/")
    return slashes == 4 or (slashes == 5 and _VERSION.match(path.split("/")[4]) is not None)


def parse_address(path: str) -> Address:
    """Return the address in the path of a direct route.

    These are `/models/{tenant}/{predictor}/predict`, `/models/{tenant}/{predictor}@{alias}/predict` and
    `/models/{tenant}/{predictor}/v{version}/predict`; the same with `/forecast`.
    """
    _, _, tenant_name, predictor, *version, _ = path.split("/")
    if version:
        return Address(tenant_name, predictor, version[0])
    # No name of a predictor in URLs has an @.
    name, at, alias = predictor.partition("@")
    return Address(tenant_name, name, alias if at else None)


async def resolve_address(session: AsyncSession, user: Principal, address: Address) -> Target:
    """Return the versions that an address of the caller's own tenant leads to.

    Raises:
        NotFound: `predictor_not_found`, for one of another tenant as well; `version_not_found`, `alias_not_found`.
        Conflict: `model_not_ready`.
    """
    # A name with NUL cannot be stored, and PostgreSQL's driver refuses it in a query.
    if "\0" in address.predictor_name or address.tenant_name != user.tenant_name:
        raise NotFound("There is no predictor of this name.", code="predictor_not_found")
    if address.reference is not None:
        training = await predictors.get_addressed(session, user.scope, address.predictor_name, address.reference)
        model = replace(to_servable_model(training, user.tenant_name), alias=predictors.alias_of(address.reference))
        return Target(((model, TOTAL_WEIGHT),))
    champion = await trainings.get_champion(session, user.scope, address.predictor_name, in_url=True)
    shares, shadows = await predictors.find_traffic(session, user.scope, champion.predictor_name)
    ids = {share["train_id"] for share in (*shares, *shadows)}
    by_id = await find_servable_models(session, user, ids)
    return Target(
        shares=tuple((by_id[share["train_id"]], share["weight"]) for share in shares)
        or ((to_servable_model(champion, user.tenant_name), TOTAL_WEIGHT),),
        shadows=tuple(by_id[shadow["train_id"]] for shadow in shadows),
    )
