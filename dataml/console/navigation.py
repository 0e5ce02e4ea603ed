"""The menu of the console: its sections and pages, of which a user sees those that they may read."""

from dataclasses import dataclass
from typing import Final

from dataml.access.permissions import Permission
from dataml.access.service import Principal


@dataclass(frozen=True)
class Link:
    """A page in the menu; `permission` is what its calls need."""

    title: str
    path: str
    permission: Permission | None = Permission.VIEW


@dataclass(frozen=True)
class Section:
    """Links under one heading."""

    title: str
    links: tuple[Link, ...]


_SECTIONS: Final = (
    Section("", (Link("Home", "/", None),)),
    Section(
        "Data",
        (
            Link("Templates", "/templates"),
            Link("Datasets", "/datasets"),
            Link("Lake", "/lake", Permission.READ_DATALAKE),
        ),
    ),
    Section("Predict", (Link("Predictors", "/predictors"), Link("Endpoints", "/endpoints"))),
    Section("Work", (Link("Jobs", "/jobs"),)),
)


def sections_of(principal: Principal) -> tuple[Section, ...]:
    """Return the menu of a user, without what they may not read."""
    shown = []
    for section in _SECTIONS:
        links = tuple(
            link for link in section.links if link.permission is None or link.permission in principal.permissions
        )
        if links:
            shown.append(Section(section.title, links))
    return tuple(shown)
