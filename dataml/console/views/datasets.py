"""Datasets: the list, an upload, and changes of one dataset; `dataset_tabs` shows its parts."""

from typing import Final

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console import listing
from dataml.console.listing import Filter
from dataml.console.views.dataset_tabs import BUSY
from dataml.console.visit import Visit

_FILTERS: Final = (Filter("state", "State", ("validating", "valid", "invalid", "failed")),)


async def show_all(visit: Visit) -> Response:
    """Show the datasets, newest first."""
    names = [*(field.name for field in _FILTERS), "template_id"]
    rows = await listing.read(visit.request, visit.api, "/dataset/list", names)
    return visit.render("datasets.html", listing=rows, fields=_FILTERS, busy=BUSY)


async def show_upload(visit: Visit) -> Response:
    """Show the form of an upload; its script sends the files to the API."""
    visit.principal.require(Permission.UPLOAD_DATASETS)
    templates = await visit.api.get("/template/list", limit=1000, sort="name")
    return visit.render("dataset_new.html", templates=templates)


async def validate(visit: Visit) -> Response:
    """Validate a dataset again."""
    dataset_id = visit.request.path_params["dataset_id"]
    await visit.api.call("POST", f"/dataset/{dataset_id}/validate")
    return visit.redirect(f"/datasets/{dataset_id}")


async def compute_statistics(visit: Visit) -> Response:
    """Start the statistics of a dataset."""
    dataset_id = visit.request.path_params["dataset_id"]
    form = await visit.request.form()
    query = {"dataset_id": dataset_id, "target": form.get("target") or None}
    await visit.api.call("POST", "/dataset/generate_statistics", query=query)
    return visit.redirect(f"/datasets/{dataset_id}/columns")


async def delete(visit: Visit) -> Response:
    """Delete a dataset."""
    await visit.api.call("DELETE", f"/dataset/delete/{visit.request.path_params['dataset_id']}")
    return visit.redirect("/datasets", notice="The dataset is deleted.")


async def delete_file(visit: Visit) -> Response:
    """Delete a file of a dataset."""
    dataset_id, file_id = (visit.request.path_params[name] for name in ("dataset_id", "file_id"))
    await visit.api.call("DELETE", f"/files/delete/{file_id}")
    return visit.redirect(f"/datasets/{dataset_id}/files", notice="The file is deleted.")
