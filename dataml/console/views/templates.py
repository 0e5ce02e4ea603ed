"""Templates: the list, and one template with its versions."""

from starlette.responses import Response

from dataml.console import listing
from dataml.console.visit import Visit


async def show_all(visit: Visit) -> Response:
    """Show the templates, newest first."""
    return visit.render("templates.html", listing=await listing.read(visit.request, visit.api, "/template/list", ()))


async def show(visit: Visit) -> Response:
    """Show a template: its columns, and its versions."""
    template_id = visit.request.path_params["template_id"]
    template = await visit.api.get(f"/template/{template_id}")
    versions = await visit.api.get(f"/template/{template_id}/versions")
    return visit.render("template.html", template=template, versions=versions)
