"""The pages that the console has, out of its routes: a page that is added is tested without being named here."""

import re
from collections.abc import Sequence
from typing import Final

from starlette.routing import Route

from dataml.console.routes import create_routes
from tests.browser.objects import Objects

_PARAMETER: Final = re.compile(r"{(\w+)(?::\w+)?}")
# Its values are those of the tabs on the page without it.
_TAB: Final = "tab"
# Queries with which a page shows something else, or without which it shows nothing, by the route's path.
_QUERIES: Final[dict[str, tuple[str, ...]]] = {
    "/lake": ("", "?schema={schema}"),
    "/lake/table": ("?schema={schema}&table={table}", "?schema={schema}&table={table}&tab=snapshots"),
    "/predictors/compare": ("", "?id={train_id}&id={other_train_id}"),
    "/predictors/versions": ("?name={quoted_name}&id={train_id}",),
    "/predictors/release": ("?name={quoted_name}",),
    "/predictors/new": ("", "?dataset={dataset_id}", "?from={train_id}"),
}


def list_routes() -> list[str]:
    """Return the paths of all routes that answer a GET with a page."""
    routes = (route for route in create_routes() if isinstance(route, Route) and "GET" in (route.methods or ()))
    return [route.path for route in routes if not route.path.startswith("/console/")]


def list_changes() -> list[str]:
    """Return the paths of all routes that take no GET."""
    routes = (route for route in create_routes() if isinstance(route, Route) and route.methods)
    return [route.path for route in routes if "GET" not in (route.methods or ())]


def parameters_of(route: str) -> set[str]:
    """Return the names of a route's parameters."""
    return set(_PARAMETER.findall(route))


def addresses_of(route: str) -> list[str]:
    """Return a route with each of the queries that its pages need."""
    return [route + query for query in _QUERIES.get(route, ("",))]


def fill(route: str, objects: Objects) -> list[str]:
    """Return the addresses of a route's pages: one for each set of objects that it can be about."""
    paths = []
    for address in addresses_of(route):
        names = parameters_of(address)
        about = [each for each in objects if each.keys() >= names]
        assert about, f"create what {address} is about in tests/browser/hostile.py and showcase.py"
        paths += [_PARAMETER.sub(r"{\1}", address).format(**each) for each in about]
    return list(dict.fromkeys(paths))


def base_of(route: str) -> str | None:
    """Return the route of the page that has links to these tabs, or None if it is not about tabs."""
    return route.rsplit("/", 1)[0] if route.endswith(f"/{{{_TAB}}}") else None


def matching(route: str, paths: Sequence[str]) -> list[str]:
    """Return those addresses that belong to a route."""
    pattern = re.compile(_PARAMETER.sub("[^/]+", route))
    return [path for path in paths if pattern.fullmatch(path.split("?")[0])]
