"""Route of the report of a model, as JSON and as an HTML page."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import BaseModel, Field

from dataml.access.dependencies import Viewer
from dataml.dataset import service as datasets
from dataml.http.dependencies import AppSettings, Db
from dataml.http.routing import Router
from dataml.http.strict_json import dump_json
from dataml.storage.storage import Storage
from dataml.train import reports, service
from dataml.train.threshold.schemas import THRESHOLD, THRESHOLD_SOURCE
from dataml.train.threshold.service import choose_threshold

router = Router(prefix="/train", tags=["Train"])


class ReportAnswer(BaseModel):
    """The report of a model as JSON."""

    train_id: int
    predictor_name: str
    version: int
    summary: dict[str, Any] = Field(description="The model, its metrics, and how it was trained.")
    report: dict[str, Any] = Field(
        description="The evaluation in detail: confidence intervals, calibration, thresholds and curves, or residuals "
        "and intervals, and `charts`, Vega-Lite specifications by name; of at most 20,000 held-out rows the `segments` "
        "(the score by the values of each feature), the `worst_rows`, and of each of the `features` a typical value. "
        "Empty for a model of an earlier version."
    )
    threshold: float | None = Field(description=THRESHOLD)
    threshold_source: str | None = Field(description=THRESHOLD_SOURCE)
    feature_importance: dict[str, float] = Field(
        description="As in `view-feature-importance`; empty until it was computed."
    )


@router.get(
    "/{train_id}/report",
    response_model=ReportAnswer,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def get_training_report(
    train_id: int,
    user: Viewer,
    database: Db,
    settings: AppSettings,
    report_format: Annotated[
        Literal["json", "html"],
        Query(alias="format", description="json: data; html: one self-contained page with charts."),
    ] = "json",
) -> Response:
    """Return the report of a completed training, measured on rows that the model did not see."""
    async with database.reading() as session:
        training = await service.get_completed(session, user.scope, train_id)
        is_page = report_format == "html"
        dataset = await datasets.get(session, user.scope, training.dataset_id) if is_page else None
    storage = Storage.from_settings(settings)
    if dataset is not None:
        name = f"{training.url_name}-v{training.version}-report.html"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(await reports.render_page(storage, training, dataset), headers=headers, media_type="text/html")

    threshold = choose_threshold(training)

    def render() -> bytes:
        report = reports.read_report(storage, training)
        return dump_json(
            {
                "train_id": training.id,
                "predictor_name": training.predictor_name,
                "version": training.version,
                "summary": report.summary,
                "report": report.report,
                "threshold": threshold.value if threshold is not None else None,
                "threshold_source": threshold.source if threshold is not None else None,
                "feature_importance": report.feature_importance,
            }
        )

    return Response(await asyncio.to_thread(render), media_type="application/json")
