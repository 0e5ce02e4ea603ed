"""The first page: what runs, what has failed, what is new, and the first steps of a new tenant."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console.api import ApiError
from dataml.console.rendering import url
from dataml.console.samples import Sample, available_samples, find_sample
from dataml.console.visit import Visit
from dataml.errors import NotFound

_SHOWN: Final = 5
_LATELY: Final = timedelta(days=7)
_WAIT_S: Final = 20
_NOTHING: Final = {"total": 0, "data": []}


async def show(visit: Visit) -> Response:
    """Show what a user wants to know first."""
    read_health = visit.api.get("/utils/health-check")
    unfinished = failed = predictors = datasets = _NOTHING
    if visit.may(Permission.VIEW):
        since = (datetime.now(UTC) - _LATELY).isoformat(timespec="minutes")
        # Lists are newest first without a sort, which would read all their rows.
        health, running, queued, failed, predictors, datasets = await asyncio.gather(
            read_health,
            visit.api.get("/jobs/list", state="running", limit=_SHOWN),
            visit.api.get("/jobs/list", state="queued", limit=_SHOWN, sort="created_at"),
            visit.api.get("/jobs/list", state="failed", limit=_SHOWN, since=since),
            visit.api.get("/train/list", limit=_SHOWN),
            visit.api.get("/dataset/list", limit=_SHOWN),
        )
        unfinished = {
            "total": running["total"] + queued["total"],
            "data": [*running["data"], *queued["data"]][:_SHOWN],
        }
    else:
        health = await read_health
    samples = available_samples() if visit.may(Permission.UPLOAD_DATASETS) else ()
    return visit.render(
        "home.html",
        health=health,
        unfinished=unfinished,
        failed=failed,
        predictors=predictors,
        datasets=datasets,
        samples=samples,
    )


async def add_sample(visit: Visit) -> Response:
    """Upload a sample, unless the tenant has it already, and go on to its training."""
    sample = find_sample(visit.request.path_params["sample"])
    if sample is None:
        raise NotFound("There is no sample data of this name.", code="sample_not_found")
    dataset_id = await _find_or_upload(visit, sample)
    if not visit.may(Permission.TRAIN_MODELS):
        return visit.redirect(f"/datasets/{dataset_id}", notice="The sample data is uploaded.")
    return visit.redirect(url("/predictors/new", dataset=dataset_id, **sample.training))


async def _find_or_upload(visit: Visit, sample: Sample) -> int:
    """Return the id of the dataset of a sample."""
    found = await _find(visit, sample)
    if found is not None:
        return found["id"]
    with sample.path.open("rb") as file:
        files = {"files": (sample.file_name, file, "text/csv")}
        query = {"dataset_name": sample.name, "usage": "training", "wait": _WAIT_S}
        try:
            answer = await visit.api.call("POST", "/dataset/upload", query=query, files=files)
        except ApiError as error:
            # Somebody else of the tenant has clicked at the same time.
            found = await _find(visit, sample) if error.status == 409 else None
            if found is None:
                raise
            return found["id"]
    return answer["dataset_id"]


async def _find(visit: Visit, sample: Sample) -> dict[str, Any] | None:
    datasets = await visit.api.get("/dataset/list", name=sample.name, limit=1)
    return datasets["data"][0] if datasets["data"] else None
