"""Templates: named contracts of a tenant, each a row of versions."""

from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.contract.contract import Column, Contract
from dataml.db.base import utc_now
from dataml.db.scope import Page, Scope
from dataml.errors import Conflict
from dataml.template.models import Template, TemplateVersion
from dataml.template.schemas import CreateTemplate, TemplateColumn, UpdateTemplate


async def create(session: AsyncSession, scope: Scope, request: CreateTemplate) -> Template:
    """Raises:
    Invalid: the columns make no contract (a name twice, an unknown type, a default or bound of another type).
    Conflict: `template_exists`.
    """
    template = Template(
        tenant_id=scope.tenant_id,
        name=request.template_name,
        contract=_contract(request.template_schema).to_json(),
        created_by=scope.username,
        modified_by=scope.username,
    )
    session.add(template)
    await _flush(session, template.name)
    _keep_version(session, scope, template)
    audit.record(session, scope, "template.create", f"template:{template.id}", name=template.name)
    return template


async def update(session: AsyncSession, scope: Scope, template_id: int, request: UpdateTemplate) -> Template:
    """Make the next version of a template; without new columns it keeps those it has. Datasets keep the version that
    they were checked with.

    Raises:
        NotFound: `template_not_found`.
        Invalid, Conflict: as `create`.
    """
    # Two updates at once: the second waits here, and makes the version after the first one's.
    template = await hold(session, scope, template_id)
    template.name = request.template_name
    if request.template_schema is not None:
        template.contract = _contract(request.template_schema).to_json()
    template.version += 1
    template.modified_by = scope.username
    template.modified_at = utc_now()
    await _flush(session, request.template_name)
    _keep_version(session, scope, template)
    named = {"name": template.name, "version": template.version}
    audit.record(session, scope, "template.update", f"template:{template.id}", **named)
    return template


async def delete(session: AsyncSession, scope: Scope, template_id: int) -> None:
    """Remove a template that nothing refers to, with all its versions.

    Raises:
        NotFound: `template_not_found`.
    """
    template = await get(session, scope, template_id)
    await session.execute(scope.delete(TemplateVersion).where(TemplateVersion.template_id == template.id))
    await session.execute(scope.delete(Template).where(Template.id == template.id))
    audit.record(session, scope, "template.delete", f"template:{template_id}", name=template.name)


async def list_versions(
    session: AsyncSession, scope: Scope, template_id: int, page: Page
) -> tuple[int, list[TemplateVersion]]:
    """The versions of a template, newest first.

    Raises:
        NotFound: `template_not_found`.
    """
    await get(session, scope, template_id)
    return await scope.list(session, TemplateVersion, page, TemplateVersion.template_id == template_id)


async def contract_of(session: AsyncSession, scope: Scope, template_id: int, version: int) -> Contract:
    """What a template was in one of its versions."""
    columns = scope.select_columns(TemplateVersion, TemplateVersion.contract)
    where = (TemplateVersion.template_id == template_id, TemplateVersion.version == version)
    return Contract.from_json((await session.scalars(columns.where(*where))).one())


def columns_of(contract: dict[str, object]) -> tuple[Column, ...]:
    """The columns of a template, which may still be without any; a contract has at least one."""
    return Contract.from_json(contract).columns if contract["columns"] else ()


async def get(session: AsyncSession, scope: Scope, template_id: int) -> Template:
    return await scope.get(session, Template, template_id, "template")


async def hold(session: AsyncSession, scope: Scope, template_id: int) -> Template:
    """A template that no dataset begins to use until the end of the transaction.

    Raises:
        NotFound: `template_not_found`.
    """
    return await scope.hold(session, Template, template_id, "template")


def _contract(schema: Sequence[TemplateColumn]) -> Contract:
    columns = [column.to_column() for column in schema]
    return Contract.build(columns) if columns else Contract(())


def _keep_version(session: AsyncSession, scope: Scope, template: Template) -> None:
    version = TemplateVersion(
        tenant_id=scope.tenant_id,
        template_id=template.id,
        version=template.version,
        name=template.name,
        contract=template.contract,
        created_by=scope.username,
        created_at=utc_now(),
    )
    session.add(version)


async def _flush(session: AsyncSession, name: str) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        detail = f"There is a template named {name!r} already; choose another name."
        raise Conflict(detail, code="template_exists") from error
