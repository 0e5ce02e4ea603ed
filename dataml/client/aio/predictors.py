"""Predictors: which version answers, aliases, promotion, roll-back and split traffic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from dataml.client.aio.lookup import find_by_name
from dataml.client.aio.operations import Operations
from dataml.client.aio.paging import fetch_all
from dataml.client.tables import Table

if TYPE_CHECKING:
    from dataml.client import schemas

_COLUMNS: Final = ("predictor_name", "problem_type", "champion_version", "newest_version", "versions", "promotion")
_MAX_ACTUALS: Final = 10_000
_VERSION_COLUMNS: Final = ("version", "train_id", "state", "metric", "metric_value", "is_champion", "aliases")
_PROMOTION_COLUMNS: Final = ("version", "kind", "reason", "created_by", "created_at")


class Predictor:
    """A predictor; `info` is the last answer of the API about it. Each change is in force after a second at most."""

    def __init__(self, api: Operations, info: schemas.PredictorAnswer) -> None:
        self._api = api
        self.info = info

    @property
    def name(self) -> str:
        """Name of the predictor."""
        return self.info["predictor_name"]

    @property
    def champion(self) -> int | None:
        """The version that answers for the predictor; None until one has completed."""
        return self.info["champion_version"]

    @property
    def promotion(self) -> str:
        """Whether a version that completes answers by itself: automatic, or manual."""
        return self.info["promotion"]

    @property
    def aliases(self) -> dict[str, int]:
        """The version that each alias names, without `champion`."""
        return {row["alias"]: row["version"] for row in self.info["aliases"]}

    @property
    def versions(self) -> Table:
        """The versions, newest first."""
        return Table(self.info["data"], _VERSION_COLUMNS)

    @property
    def history(self) -> Table:
        """Who has changed the champion, when and why, newest first."""
        return Table(self.info["promotions"], _PROMOTION_COLUMNS)

    async def refresh(self) -> Predictor:
        """Ask for the predictor again, and return this object."""
        self.info = await self._api.get_predictor(self._url_name)
        return self

    async def promote(self, version: int, reason: str | None = None) -> Predictor:
        """Let a version answer for the predictor, and return this object. A split of the traffic ends.

        Args:
            version: Number of the version.
            reason: Why; the history and the audit log have it.

        Raises:
            NotFound: There is no such version.
            Conflict: It has not completed, or is the champion already.
        """
        self.info = await self._api.promote_version(self._url_name, {"version": version, "reason": reason})
        return self

    async def roll_back(self, reason: str | None = None) -> Predictor:
        """Let the version answer again that did before, and return this object.

        Raises:
            Conflict: No other version has answered before, or none of them is left.
        """
        self.info = await self._api.roll_back_predictor(self._url_name, {"reason": reason})
        return self

    async def set_promotion(self, promotion: Literal["automatic", "manual"]) -> Predictor:
        """Say whether a version that completes answers by itself, or waits to be promoted; return this object."""
        self.info = await self._api.update_predictor(self._url_name, {"promotion": promotion})
        return self

    async def set_alias(self, alias: str, version: int) -> Predictor:
        """Make an alias name a version, and return this object. The alias `champion` promotes it.

        Raises:
            Invalid: The alias is none: small letters, digits and `. _ -`, and not the number of a version.
            NotFound: There is no such version.
            Conflict: The version has not completed.
        """
        self.info = await self._api.set_alias(self._url_name, alias, {"version": version})
        return self

    async def remove_alias(self, alias: str) -> Predictor:
        """Remove an alias, and return this object. The version stays.

        Raises:
            NotFound: There is no such alias.
        """
        self.info = await self._api.remove_alias(self._url_name, alias)
        return self

    async def set_traffic(self, split: Mapping[int, int] | None = None, shadows: Iterable[int] = ()) -> Predictor:
        """Split the requests by weight among versions, copy them to shadows, and return this object.

        Args:
            split: Percent of the requests by version; they add up to 100. Without it the champion gets all.
            shadows: Versions that get a copy of each request. Their answers are only logged.

        Raises:
            Invalid: The weights do not add up, or a shadow answers requests.
            NotFound: There is no such version.
            Conflict: A version has not completed, or is of another problem type.
        """
        shares: list[schemas.Share] = [
            {"version": version, "weight": weight} for version, weight in (split or {}).items()
        ]
        self.info = await self._api.set_traffic(self._url_name, {"split": shares, "shadows": list(shadows)})
        return self

    async def compare(self, version: int, since: datetime | None = None) -> schemas.ComparisonAnswer:
        """Return what a shadow has predicted beside what was answered to the same requests.

        Args:
            version: A version that is or was a shadow.
            since: Only requests from this time on.
        """
        since_text = since.isoformat() if since is not None else None
        return await self._api.compare_shadow(self._url_name, version=version, since=since_text)

    async def compare_split(
        self, versions: Iterable[int] = (), since: datetime | None = None
    ) -> schemas.SplitComparisonAnswer:
        """Return what versions have predicted that share the traffic, each for the requests that it has answered.

        Args:
            versions: Two or more; without them those that share the traffic now.
            since: Only requests from this time on.

        Raises:
            Conflict: The traffic is not split, and no versions are named; or they are forecasts.
            NotFound: There is no such version.
        """
        since_text = since.isoformat() if since is not None else None
        return await self._api.compare_split(self._url_name, version=[*versions] or None, since=since_text)

    async def record_actuals(self, outcomes: Mapping[int, bool | float | str]) -> schemas.ActualsAnswer:
        """Record what has really come of predictions in real time, and return what has become of the outcomes.

        Args:
            outcomes: The class or the number by the id of the prediction; as many as there are. Sending them again
                changes nothing.

        Raises:
            Invalid: A value does not fit the target.
        """
        rows: list[schemas.ActualOutcome] = [
            {"prediction_id": prediction_id, "value": value} for prediction_id, value in outcomes.items()
        ]
        answers = [
            await self._api.record_actuals(self._url_name, {"actuals": rows[start : start + _MAX_ACTUALS]})
            for start in range(0, len(rows), _MAX_ACTUALS)
        ]
        return {
            "added": sum(answer["added"] for answer in answers),
            "changed": sum(answer["changed"] for answer in answers),
            "unchanged": sum(answer["unchanged"] for answer in answers),
            "unknown": sum(answer["unknown"] for answer in answers),
            "unknown_ids": [each for answer in answers for each in answer["unknown_ids"]],
        }

    @property
    def _url_name(self) -> str:
        return self.info["url_name"]

    def __repr__(self) -> str:
        return f"Predictor({self.name!r}, champion={self.champion}, aliases={self.aliases!r})"


class Predictors:
    """All predictors of the tenant."""

    def __init__(self, api: Operations) -> None:
        self._api = api

    async def list(self, *, limit: int | None = None) -> Table:
        """Return the predictors, newest first: all of them, or at most `limit`."""
        return Table(await fetch_all(self._api.list_predictors, limit), _COLUMNS)

    async def get(self, name: str) -> Predictor:
        """Return a predictor by its name, or by the one that it has in URLs.

        Raises:
            NotFound: There is none.
        """
        # Its own name may have what a URL cannot hold.
        found = await find_by_name(lambda name: self._api.list_predictors(name=name), "predictor", name)
        return Predictor(self._api, await self._api.get_predictor(found["url_name"]))
