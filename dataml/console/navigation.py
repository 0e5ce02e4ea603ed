"""The menu of the console: its sections and pages, of which a user sees those that they may read."""

from dataclasses import dataclass
from typing import Final

from dataml.access.permissions import Permission
from dataml.access.service import Principal


@dataclass(frozen=True)
class Link:
    """A page in the menu; `permission` is what its calls need, which `is_for_platform` keeps for platform admins."""

    title: str
    path: str
    permission: Permission | None = Permission.VIEW
    is_for_platform: bool = False

    def is_shown_to(self, principal: Principal) -> bool:
        """Return whether a user may read the page."""
        if self.is_for_platform and not principal.is_platform_admin:
            return False
        return self.permission is None or self.permission in principal.permissions


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
    Section(
        "Administration",
        (
            Link("Users", "/admin/users", Permission.MANAGE_USERS),
            Link("Roles", "/admin/roles", Permission.MANAGE_ROLES),
            Link("Audit log", "/admin/audit", Permission.MANAGE_USERS),
            Link("Tenants", "/admin/tenants", None, is_for_platform=True),
            Link("Health", "/admin/health", None, is_for_platform=True),
        ),
    ),
)


def sections_of(principal: Principal) -> tuple[Section, ...]:
    """Return the menu of a user, without what they may not read."""
    shown = []
    for section in _SECTIONS:
        links = tuple(link for link in section.links if link.is_shown_to(principal))
        if links:
            shown.append(Section(section.title, links))
    return tuple(shown)
