"""Routes of comparisons of versions, and of the actual outcomes that they are scored by."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path, Query

from dataml.access.dependencies import PredictionUser, Viewer
from dataml.http.dependencies import Db, PlatformMetrics
from dataml.http.routing import Router
from dataml.inference import actuals, comparison, split_comparison
from dataml.inference.actuals_schemas import ActualsAnswer, ActualsRequest
from dataml.inference.comparison_schemas import ComparisonAnswer, SplitComparisonAnswer
from dataml.serving.model_runner import version_labels
from dataml.train.predictors import service as predictors

router = Router(prefix="/predictors", tags=["Predictors"])
PredictorName = Annotated[str, Path(description="Name of the predictor, or the one that it has in URLs.")]
Since = Annotated[datetime | None, Query(description="Only requests from this time on; without a zone it is UTC.")]
_Version = Annotated[int, Query(ge=1, le=2**31 - 1, description="A version that is or was a shadow.")]


@router.get("/{predictor_name}/comparison")
async def compare_shadow(
    predictor_name: PredictorName, version: _Version, user: Viewer, database: Db, since: Since = None
) -> ComparisonAnswer:
    """Compare what a shadow has predicted with what was answered to the same requests.

    It reads the prediction log, which is a second or so behind. Requests whose actual outcome is known
    (`POST /predictors/{predictor_name}/actuals`) also score both.
    """
    async with database.reading() as session:
        training = await predictors.get_addressed(session, user.scope, predictor_name, str(version))
        is_number = training.problem_type == "Regression"
        compared = await comparison.compare_shadow(
            session, user.scope, training.id, is_number=is_number, since=_in_utc(since)
        )
    return ComparisonAnswer.from_comparison(compared, training)


@router.get("/{predictor_name}/traffic/comparison")
async def compare_split(
    predictor_name: PredictorName,
    user: Viewer,
    database: Db,
    metrics: PlatformMetrics,
    version: Annotated[
        list[int] | None,
        Query(description="Versions to compare, two or more; without one those that share the traffic now."),
    ] = None,
    since: Since = None,
) -> SplitComparisonAnswer:
    """Compare versions that share the traffic, each by the requests that it has answered in real time.

    Predictions and outcomes are those of the prediction log, latency and errors those of the last five minutes. Each
    version has answered other requests, so small differences may be chance: all have an interval. The outcomes come by
    `POST /predictors/{predictor_name}/actuals`.
    """
    async with database.reading() as session:
        results = await split_comparison.compare_versions(
            session, user.scope, predictor_name, version or (), _in_utc(since)
        )
    labels = [version_labels(user.tenant_name, each.training.predictor_name, each.training.version) for each in results]
    return SplitComparisonAnswer.from_results(results, await metrics.list_recent_calls(labels))


@router.post("/{predictor_name}/actuals")
async def record_actuals(
    predictor_name: PredictorName, request: ActualsRequest, user: PredictionUser, database: Db
) -> ActualsAnswer:
    """Record what has really come of predictions in real time: the class, or the number.

    Comparisons of versions then have the accuracy, or the mean absolute error. Sending the same again changes nothing;
    another value takes the place of the first. An outcome is kept as long as its prediction.
    """
    outcomes = [(each.prediction_id, each.value) for each in request.actuals]
    async with database.transaction() as session:
        recorded = await actuals.record_actuals(session, user.scope, predictor_name, outcomes)
    return ActualsAnswer.from_recorded(recorded)


def _in_utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time
