"""Templates: which columns a file has, and what their values may be."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from dataml.client.aio.lookup import find_by_name
from dataml.client.aio.operations import Operations
from dataml.client.aio.paging import fetch_all
from dataml.client.aio.runtime import run_in_thread
from dataml.client.sources import Source, open_sources
from dataml.client.tables import Table

if TYPE_CHECKING:
    from dataml.client import schemas

_COLUMNS: Final = ("id", "template_name", "no_of_columns", "created_by", "modified_at")
_COLUMN_FIELDS: Final = ("column_name", "data_type", "default_value")


class Template:
    """A template; `info` is the answer of the API about it."""

    def __init__(self, api: Operations, info: schemas.TemplateAnswer) -> None:
        self._api = api
        self.info = info

    @property
    def id(self) -> int:
        """Id of the template."""
        return self.info["id"]

    @property
    def name(self) -> str:
        """Name of the template."""
        return self.info["template_name"]

    @property
    def columns(self) -> Table:
        """The columns, with their types and rules."""
        return Table(self.info["template_schema"], _COLUMN_FIELDS)

    @property
    def version(self) -> int:
        """Version of the template, from 1 on."""
        return self.info["version"]

    async def update(self, columns: Sequence[Any]) -> None:
        """Make the next version; datasets keep the one that they were validated with.

        Args:
            columns: All columns of the new version, as `create` takes them.

        Raises:
            Invalid: A column is wrong.
        """
        body: Any = {"template_name": self.name, "template_schema": list(columns)}
        self.info = await self._api.update_template(self.id, body)

    async def delete(self) -> None:
        """Delete the template.

        Raises:
            Conflict: A dataset uses it.
        """
        await self._api.delete_template(self.id)

    def __repr__(self) -> str:
        return f"Template({self.name!r}, id={self.id})"


class Templates:
    """All templates of the tenant."""

    def __init__(self, api: Operations) -> None:
        self._api = api

    async def list(self, *, limit: int | None = None) -> Table:
        """Return the templates: all of them, or at most `limit`."""
        return Table(await fetch_all(self._api.list_templates, limit), _COLUMNS)

    async def get(self, template: int | str) -> Template:
        """Return a template by its id or its name.

        Raises:
            NotFound: There is none.
        """
        if isinstance(template, str):
            template = await self._find(template)
        return Template(self._api, await self._api.get_template(template))

    async def draft(self, source: Source, **options: Any) -> schemas.InferredTemplate:
        """Return a template that fits a file, to be looked at, changed and given to `create`.

        Args:
            source: A path, bytes, an open file, or a table.
            **options: `rows`, `encoding`, `header_row`, `delimiter`, as `infer_template` takes them.
        """
        with ExitStack() as stack:
            parts = await run_in_thread(lambda: stack.enter_context(open_sources(source, None)))
            return await self._api.infer_template(parts, **options)

    async def create(self, name: str, columns: Sequence[Any]) -> Template:
        """Create a template.

        Args:
            name: Name of the template.
            columns: For each column `column_name`, `data_type`, and its rules; a draft's are fit.

        Raises:
            Conflict: There is one of this name.
            Invalid: A column is wrong.
        """
        body: Any = {"template_name": name, "template_schema": list(columns)}
        created = await self._api.create_template(body)
        return await self.get(created["id"])

    async def _find(self, name: str) -> int:
        return (await find_by_name(lambda name: self._api.list_templates(name=name, limit=1), "template", name))["id"]
