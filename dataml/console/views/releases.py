"""The release of a predictor: its champion, aliases, split traffic, shadows and the history."""

from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.responses import Response

from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.visit import Visit
from dataml.errors import NotFound

PATH: Final = "/predictors/release"


async def show(visit: Visit) -> Response:
    """Show which versions of a predictor answer, and what shadows predict beside them."""
    return await _render(visit)


async def promote(visit: Visit) -> Response:
    """Let a version answer for the predictor."""
    form = await visit.request.form()
    body = {"version": _version(form), "reason": form.get("reason") or None}
    return await _change(visit, "POST", "promote", body, f"Version {body['version']} answers now.", form)


async def roll_back(visit: Visit) -> Response:
    """Let the version answer again that did before."""
    form = await visit.request.form()
    body = {"reason": form.get("reason") or None}
    return await _change(visit, "POST", "rollback", body, "The version is rolled back.", form)


async def set_promotion(visit: Visit) -> Response:
    """Say whether a version that completes answers by itself."""
    form = await visit.request.form()
    return await _change(visit, "PUT", "", {"promotion": form.get("promotion")}, "The promotion is set.")


async def set_alias(visit: Visit) -> Response:
    """Make an alias name a version."""
    form = await visit.request.form()
    return await _change(visit, "PUT", _path_of_alias(form), {"version": _version(form)}, "The alias is set.", form)


async def remove_alias(visit: Visit) -> Response:
    """Remove an alias."""
    form = await visit.request.form()
    return await _change(visit, "DELETE", _path_of_alias(form), None, "The alias is removed.")


async def set_traffic(visit: Visit) -> Response:
    """Split the traffic by the weights of the form, and copy it to the ticked shadows."""
    form = await visit.request.form()
    split, shadows = [], []
    for name, value in form.multi_items():
        kind, _, version = name.partition(":")
        number = listing.whole_number(version)
        if kind == "weight" and str(value).strip():
            # What is no number is refused by the API.
            split.append({"version": number, "weight": listing.whole_number(str(value).strip())})
        elif kind == "shadow":
            shadows.append(number)
    return await _change(visit, "PUT", "traffic", {"split": split, "shadows": shadows}, "The traffic is set.", form)


def _version(form: FormData) -> int:
    # What is no number is refused by the API.
    return listing.whole_number(str(form.get("version")))


def _path_of_alias(form: FormData) -> str:
    # A slash would be of the path; the API refuses a space as well.
    alias = str(form.get("alias", "")).replace("/", " ")
    return f"aliases/{quote(alias or ' ', safe='')}"


async def _find_path(visit: Visit) -> str:
    """Return the path of the predictor that the address names."""
    name = visit.request.query_params.get("name")
    found = await visit.api.get("/predictors", name=name) if name else {"data": []}
    if not found["data"]:
        raise NotFound("There is no predictor of this name.", code="predictor_not_found")
    return f"/predictors/{found['data'][0]['url_name']}"


async def _change(
    visit: Visit, method: str, path: str, body: Any, notice: str, typed: FormData | None = None
) -> Response:
    """Make a call that changes the predictor, and show the page again, with what the API refuses."""
    try:
        await visit.api.call(method, f"{await _find_path(visit)}/{path}".rstrip("/"), body=body)
    except ApiError as error:
        if error.status not in (404, 409, 422):
            raise
        return await _render(visit, error, typed)
    return visit.redirect(PATH, notice=notice, name=visit.request.query_params["name"])


async def _render(visit: Visit, error: ApiError | None = None, typed: FormData | None = None) -> Response:
    path = await _find_path(visit)
    predictor = await visit.api.get(path)
    comparisons = [
        await visit.api.get(f"{path}/comparison", version=shadow["version"]) for shadow in predictor["shadows"]
    ]
    shadows = [shadow["version"] for shadow in predictor["shadows"]]
    versions = [row["version"] for row in predictor["data"]]
    # Of a refused form everything is shown as it was sent, ticks that were taken away too.
    sent = typed or FormData()
    is_of_traffic = any(name.startswith("weight:") for name in sent)
    return visit.render(
        "release.html",
        error.status if error is not None else 200,
        predictor=predictor,
        completed=[row for row in predictor["data"] if row["state"] == "succeeded"],
        weights={share["version"]: share["weight"] for share in predictor["split"]},
        shadows=shadows,
        ticked=[version for version in versions if f"shadow:{version}" in sent] if is_of_traffic else shadows,
        comparisons=comparisons,
        error=error,
        typed=sent,
    )
