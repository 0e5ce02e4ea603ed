"""Datasets: the list, an upload, and the parts of one dataset."""

from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console import listing
from dataml.console.listing import Filter, Listing
from dataml.console.visit import Visit

_FILTERS: Final = (Filter("state", "State", ("validating", "valid", "invalid")),)
_BUSY: Final = ("validating", "uploading", "queued", "running")
_TABS: Final = {"preview": "Rows", "columns": "Columns", "errors": "Errors", "files": "Files"}
_ROWS: Final = 50


async def show_all(visit: Visit) -> Response:
    """Show the datasets, newest first."""
    rows = await listing.read(visit.request, visit.api, "/dataset/list", [field.name for field in _FILTERS])
    return visit.render("datasets.html", listing=rows, fields=_FILTERS, busy=_BUSY)


async def show_upload(visit: Visit) -> Response:
    """Show the form of an upload; its script sends the files to the API."""
    visit.principal.require(Permission.UPLOAD_DATASETS)
    templates = await visit.api.get("/template/list", limit=1000, sort="name")
    return visit.render("dataset_new.html", templates=templates)


async def show(visit: Visit) -> Response:
    """Show one part of a dataset: its rows, columns, errors or files."""
    dataset_id, tab = visit.request.path_params["dataset_id"], visit.request.path_params.get("tab", "preview")
    if tab not in _TABS:
        tab = "preview"
    dataset = await visit.api.get("/dataset/get_dataset_by_id", dataset_id=dataset_id)
    job = None
    if dataset["state"] in _BUSY and dataset["job_id"]:
        job = await visit.api.find(f"/jobs/{dataset['job_id']}")
    tabs = [(name, title, f"/datasets/{dataset_id}/{name}") for name, title in _TABS.items()]
    context = await _READERS[tab](visit, dataset)
    return visit.render("dataset.html", dataset=dataset, job=job, busy=_BUSY, tabs=tabs, tab=tab, **context)


async def compute_statistics(visit: Visit) -> Response:
    """Start the statistics of a dataset."""
    dataset_id = visit.request.path_params["dataset_id"]
    await visit.api.call("POST", "/dataset/generate_statistics", query={"dataset_id": dataset_id})
    return visit.redirect(f"/datasets/{dataset_id}/columns")


async def delete(visit: Visit) -> Response:
    """Delete a dataset."""
    await visit.api.call("DELETE", f"/dataset/delete/{visit.request.path_params['dataset_id']}")
    return visit.redirect("/datasets", notice="The dataset is deleted.")


async def _read_rows(visit: Visit, dataset: dict[str, Any]) -> dict[str, Any]:
    offset = listing.offset_of(visit.request)
    answer = None
    if dataset["kept_records"]:
        answer = await visit.api.find("/dataset/view", dataset_id=dataset["id"], limit=_ROWS, offset=offset or None)
    rows, total = (answer["preview"], answer["total"]) if answer else ([], 0)
    return {"rows": rows, "page": Listing(visit.request.url.path, {}, rows, total, offset, _ROWS)}


async def _read_columns(visit: Visit, dataset: dict[str, Any]) -> dict[str, Any]:
    answer = await visit.api.find("/dataset/statistics", dataset_id=dataset["id"]) or {}
    return {
        "statistics": answer.get("statistics"),
        "statistics_job": answer.get("job_id") if answer.get("status") in ("queued", "running") else None,
    }


async def _read_errors(visit: Visit, dataset: dict[str, Any]) -> dict[str, Any]:
    report = await visit.api.find("/dataset/error-report", dataset_id=dataset["id"])
    return {"report": report or {"total_errors": 0}}


async def _read_files(visit: Visit, dataset: dict[str, Any]) -> dict[str, Any]:
    return {"files": await visit.api.get("/files/list", dataset_id=dataset["id"], limit=1000)}


_READERS: Final = {"preview": _read_rows, "columns": _read_columns, "errors": _read_errors, "files": _read_files}
