"""Templates: the list, one template with its versions, the form that makes and changes one, and drafts from files."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, get_args

from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.views import template_changes
from dataml.console.views.template_form import TemplateForm
from dataml.console.visit import Visit
from dataml.contract.contract import UnseenValuePolicy
from dataml.contract.dates import DateOrder
from dataml.contract.types import DataType
from dataml.contract.value_format import DateFormat

_TYPES: Final = tuple(data_type.value for data_type in DataType)
_CHOICES: Final = {
    "date_format": get_args(DateFormat),
    "date_order": get_args(DateOrder),
    "unseen": get_args(UnseenValuePolicy),
}


async def show_all(visit: Visit) -> Response:
    """Show the templates, newest first."""
    return visit.render("templates.html", listing=await listing.read(visit.request, visit.api, "/template/list", ()))


async def show(visit: Visit) -> Response:
    """Show a template: its columns, and its versions."""
    template_id = visit.request.path_params["template_id"]
    template = await visit.api.get(f"/template/{template_id}")
    versions = await visit.api.get(f"/template/{template_id}/versions", limit=1000)
    chosen = _version(versions, visit.request.query_params.get("version")) or versions["data"][0]
    datasets = await visit.api.get("/dataset/list", template_id=template_id, limit=1)
    return visit.render(
        "template.html", template=template, versions=versions, chosen=chosen, dataset_count=datasets["total"]
    )


async def compare(visit: Visit) -> Response:
    """Show the difference of two versions: of the two newest where the address names none."""
    template_id, query = visit.request.path_params["template_id"], visit.request.query_params
    versions = await visit.api.get(f"/template/{template_id}/versions", limit=1000)
    newest, *older = versions["data"]
    after = _version(versions, query.get("after")) or newest
    before = _version(versions, query.get("before")) or (older[0] if older else newest)
    changes = template_changes.compare(before["template_schema"], after["template_schema"])
    return visit.render(
        "template_compare.html",
        template_id=template_id,
        versions=versions,
        before=before,
        after=after,
        changes=changes,
    )


async def show_new(visit: Visit) -> Response:
    """Show the form of a new template, and the one that drafts it from files."""
    visit.principal.require(Permission.EDIT_TEMPLATES)
    return _render(visit, TemplateForm.of_columns("", ()))


async def draft(visit: Visit) -> Response:
    """Fill the form of a new template with the columns that are found in files. Nothing is stored."""
    visit.principal.require(Permission.EDIT_TEMPLATES)
    try:
        answer = await visit.api.send_body(visit.request, "/template/infer")
    except ApiError as error:
        form = TemplateForm.of_columns("", ())
        form.failure = error.detail
        return _render(visit, form, error.status)
    return _render(visit, TemplateForm.of_columns("", answer["template_schema"]), draft=answer)


async def edit_new(visit: Visit) -> Response:
    """Change a row of the form of a new template, or create it."""
    return await _edit(visit, None)


async def show_edit(visit: Visit) -> Response:
    """Show the form that makes the next version of a template."""
    visit.principal.require(Permission.EDIT_TEMPLATES)
    template_id = visit.request.path_params["template_id"]
    template = await visit.api.get(f"/template/{template_id}")
    form = TemplateForm.of_columns(template["template_name"], template["template_schema"])
    return _render(visit, form, template_id=template_id)


async def edit(visit: Visit) -> Response:
    """Change a row of the form of a template, or make its next version."""
    return await _edit(visit, visit.request.path_params["template_id"])


async def delete(visit: Visit) -> Response:
    """Delete a template that no dataset uses."""
    await visit.api.call("DELETE", f"/template/{visit.request.path_params['template_id']}")
    return visit.redirect("/templates", notice="The template is deleted.")


async def _edit(visit: Visit, template_id: int | None) -> Response:
    visit.principal.require(Permission.EDIT_TEMPLATES)
    query = visit.request.query_params
    form = TemplateForm.read(await visit.request.form())
    if action := query.get("change"):
        form.change(action, query.get("row", ""))
        return _render(visit, form, template_id=template_id)
    method, path = ("POST", "/template") if template_id is None else ("PUT", f"/template/update/{template_id}")
    try:
        answer = await visit.api.call(method, path, body=form.to_body())
    except ApiError as error:
        if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            raise
        form.refuse(error.detail, error.body.get("detail"))
        return _render(visit, form, error.status, template_id=template_id)
    return visit.redirect(f"/templates/{answer['id']}", notice="The template is saved.")


def _render(visit: Visit, form: TemplateForm, status: int = HTTPStatus.OK, **context: Any) -> Response:
    known: dict[str, Any] = {"template_id": None, "draft": None} | context
    return visit.render("template_form.html", status, form=form, types=_TYPES, choices=_CHOICES, **known)


def _version(versions: Mapping[str, Any], number: str | None) -> Mapping[str, Any] | None:
    return next((each for each in versions["data"] if str(each["version"]) == number), None)
