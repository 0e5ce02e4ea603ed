"""Datasets: the list, an upload, and changes of one dataset; `dataset_tabs` shows its parts."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.listing import Filter
from dataml.console.views.dataset_tabs import BUSY
from dataml.console.visit import Visit
from dataml.contract.types import DataType

_FILTERS: Final = (Filter("state", "State", ("validating", "valid", "invalid", "failed")),)

# What a browser offers first; the server looks at the content, not at the name.
_ACCEPTED: Final = ".csv,.tsv,.txt,.parquet,.gz,.zst"
_TABLE_FIELDS: Final = ("iceberg_table_name", "snapshot_id", "dataset_name", "usage", "template_id", "on_error")


async def show_all(visit: Visit) -> Response:
    """Show the datasets, newest first."""
    names = [*(field.name for field in _FILTERS), "template_id"]
    rows = await listing.read(visit.request, visit.api, "/dataset/list", names)
    return visit.render("datasets.html", listing=rows, fields=_FILTERS, busy=BUSY)


async def show_upload(visit: Visit) -> Response:
    """Show the form of an upload; its script sends the files to the API."""
    visit.principal.require(Permission.UPLOAD_DATASETS)
    types = [data_type.value for data_type in DataType]
    return visit.render(
        "dataset_new.html",
        templates=await _list_templates(visit),
        given=visit.request.query_params,
        types=types,
        accepted=_ACCEPTED,
    )


async def show_table_form(visit: Visit) -> Response:
    """Show the form that makes a dataset from a table of the lake."""
    visit.principal.require(Permission.UPLOAD_DATASETS)
    return await _table_form(visit, visit.request.query_params)


async def create_from_table(visit: Visit) -> Response:
    """Make a dataset from a table of the lake, or say why not."""
    given = {name: str(value) for name, value in (await visit.request.form()).items()}
    query = {name: given[name] for name in _TABLE_FIELDS if given.get(name)}
    try:
        answer = await visit.api.call("POST", "/dataset/upload", query=query)
    except ApiError as error:
        return await _table_form(visit, given, error)
    return visit.redirect(f"/datasets/{answer['dataset_id']}")


async def _table_form(visit: Visit, given: Mapping[str, str], error: ApiError | None = None) -> Response:
    templates = await _list_templates(visit)
    status = error.status if error else HTTPStatus.OK
    failure = error.detail if error else None
    return visit.render("dataset_from_table.html", status, templates=templates, given=given, failure=failure)


async def _list_templates(visit: Visit) -> Mapping[str, Any]:
    """Return the templates to choose from; none for a user who may not read them."""
    if not visit.may(Permission.VIEW):
        return {"total": 0, "data": []}
    return await visit.api.get("/template/list", limit=1000, sort="name")


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


async def add_files(visit: Visit) -> Response:
    """Add files to a dataset, which is then validated again; the body is passed on as it comes."""
    dataset_id = visit.request.path_params["dataset_id"]
    await visit.api.send_body(visit.request, f"/files/add?dataset_id={dataset_id}")
    return visit.redirect(f"/datasets/{dataset_id}/files", notice="The files are added, and the dataset is validated.")


async def delete_file(visit: Visit) -> Response:
    """Delete a file of a dataset."""
    dataset_id, file_id = (visit.request.path_params[name] for name in ("dataset_id", "file_id"))
    await visit.api.call("DELETE", f"/files/delete/{file_id}")
    return visit.redirect(f"/datasets/{dataset_id}/files", notice="The file is deleted.")
