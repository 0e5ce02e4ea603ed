"""The route of the comparison of a shadow with what was answered."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path, Query

from dataml.access.dependencies import Viewer
from dataml.http.dependencies import Db
from dataml.http.routing import Router
from dataml.inference import comparison
from dataml.inference.comparison_schemas import ComparisonAnswer
from dataml.train.predictors import service as predictors

router = Router(prefix="/predictors", tags=["Predictors"])


@router.get("/{predictor_name}/comparison")
async def compare_shadow(
    predictor_name: Annotated[str, Path(description="Name of the predictor, or the one that it has in URLs.")],
    version: Annotated[int, Query(ge=1, le=2**31 - 1, description="A version that is or was a shadow.")],
    user: Viewer,
    database: Db,
    since: Annotated[
        datetime | None, Query(description="Only requests from this time on; without a zone it is UTC.")
    ] = None,
) -> ComparisonAnswer:
    """Compare what a shadow has predicted with what was answered to the same requests.

    It reads the prediction log, which is a second or so behind.
    """
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    async with database.reading() as session:
        training = await predictors.get_addressed(session, user.scope, predictor_name, str(version))
        is_number = training.problem_type == "Regression"
        compared = await comparison.compare_shadow(session, user.scope, training.id, is_number=is_number, since=since)
    return ComparisonAnswer.from_comparison(compared, training)
