"""Routes of the series of a forecast model: the list of them, and the end of one."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Query

from dataml.access.dependencies import Viewer
from dataml.access.service import Principal
from dataml.db.session import Database
from dataml.errors import Conflict
from dataml.http.dependencies import AppSettings, Db
from dataml.http.lists import Limit, Offset
from dataml.http.routing import Router
from dataml.settings import Settings
from dataml.storage.storage import Storage
from dataml.train import service
from dataml.train.series.schemas import HistoryAnswer, HistoryStep, SeriesList, SeriesRow

if TYPE_CHECKING:
    from dataml.ml.forecasting.history import StoredSeries

router = Router(prefix="/train", tags=["Train"])
_MAX_STEPS: Final = 5_000
_MAX_AHEAD: Final = 1_000


@router.get("/{train_id}/series")
async def list_series(
    train_id: int,
    user: Viewer,
    database: Db,
    settings: AppSettings,
    q: Annotated[str | None, Query(description="Only series with this text in their id.")] = None,
    level: Annotated[
        str | None, Query(description="Only series of this level of a hierarchy, as `level` of the answer names it.")
    ] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> SeriesList:
    """List the series that a forecast model was trained on, and the sums of a hierarchy, the coarsest level first."""
    series = await _read(train_id, user, database, settings)
    numbers = series.find(q or "", level)
    rows = []
    for number in numbers[offset : offset + limit]:
        first, last = series.describe_ends(number)
        rows.append(
            SeriesRow(
                unique_id=series.ids[number],
                level=series.level_of(number),
                values=series.length(number),
                first=first,
                last=last,
            )
        )
    return SeriesList(total=len(numbers), data=rows)


@router.get("/{train_id}/history")
async def get_series_history(
    train_id: int,
    user: Viewer,
    database: Db,
    settings: AppSettings,
    unique_id: Annotated[
        str | None, Query(description="The series; not needed where there is one.", max_length=1_000)
    ] = None,
    steps: Annotated[int, Query(ge=1, le=_MAX_STEPS, description="How many steps at most, the last ones.")] = 200,
    ahead: Annotated[int, Query(ge=0, le=_MAX_AHEAD, description="Of how many next steps to show the dates.")] = 0,
) -> HistoryAnswer:
    """Show the end of a series of a forecast model: the observed values that its forecast starts from."""
    series = await _read(train_id, user, database, settings)
    number = series.number_of(unique_id)
    end = series.end_of(number, steps)
    return HistoryAnswer(
        train_id=train_id,
        unique_id=end.unique_id,
        frequency=series.frequency.name,
        history=[HistoryStep(date=date, value=value) for date, value in zip(end.dates, end.values, strict=True)],
        next_dates=series.next_dates(number, ahead),
    )


async def _read(train_id: int, user: Principal, database: Database, settings: Settings) -> "StoredSeries":
    """Return the series of a completed training of a forecast.

    Raises:
        NotFound: `training_not_found`.
        Conflict: `model_not_ready`, `wrong_problem_type`.
    """
    async with database.reading() as session:
        training = await service.get_completed(session, user.scope, train_id)
    if training.problem_type != "Forecast":
        raise Conflict(f"The model is a {training.problem_type}; it has no series.", code="wrong_problem_type")
    storage, bundle = Storage.from_settings(settings), training.bundle or ""

    def read() -> "StoredSeries":
        # The libraries of forecasts take a second to import, which only the first call pays for.
        from dataml.ml.forecasting.history import StoredSeries

        return StoredSeries.read(storage.fetch(bundle))

    return await asyncio.to_thread(read)
