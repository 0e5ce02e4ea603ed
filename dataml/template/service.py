"""Creates, updates and deletes templates: named contracts of a tenant, each with all its versions."""

from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.contract.column_case import find_differing_by_case
from dataml.contract.contract import Contract
from dataml.db.base import utc_now
from dataml.db.scope import Page, Scope
from dataml.errors import Conflict, FieldError, InvalidFields
from dataml.template.models import Template, TemplateVersion
from dataml.template.schemas import CreateTemplate, TemplateColumn, UpdateTemplate


async def create(session: AsyncSession, scope: Scope, request: CreateTemplate) -> Template:
    """Create a template, in its first version.

    Raises:
        Invalid: the columns are no contract (a name twice, an unknown type, a default or bound of another type).
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
    _add_version(session, scope, template)
    audit.record(session, scope, "template.create", f"template:{template.id}", name=template.name)
    return template


async def update(session: AsyncSession, scope: Scope, template_id: int, request: UpdateTemplate) -> Template:
    """Make the next version of a template; without new columns it keeps those it has.

    A dataset keeps the version that it was validated against.

    Raises:
        NotFound: `template_not_found`.
        Invalid: as `create`.
        Conflict: as `create`.
    """
    # Of two updates at once, the second waits here, and makes the version after that of the first.
    template = await hold(session, scope, template_id)
    template.name = request.template_name
    if request.template_schema is not None:
        template.contract = _contract(request.template_schema).to_json()
    template.version += 1
    template.modified_by = scope.username
    template.modified_at = utc_now()
    await _flush(session, request.template_name)
    _add_version(session, scope, template)
    details = {"name": template.name, "version": template.version}
    audit.record(session, scope, "template.update", f"template:{template.id}", **details)
    return template


async def delete(session: AsyncSession, scope: Scope, template_id: int) -> None:
    """Delete a template that nothing refers to, with all its versions.

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
    """Return the number of versions of a template, and a page of them, newest first.

    Raises:
        NotFound: `template_not_found`.
    """
    await get(session, scope, template_id)
    return await scope.list(session, TemplateVersion, page, TemplateVersion.template_id == template_id)


async def get_contract(session: AsyncSession, scope: Scope, template_id: int, version: int) -> Contract:
    """Return the contract of a template in one of its versions."""
    columns = scope.select_columns(TemplateVersion, TemplateVersion.contract)
    where = (TemplateVersion.template_id == template_id, TemplateVersion.version == version)
    return Contract.from_json((await session.scalars(columns.where(*where))).one())


async def get(session: AsyncSession, scope: Scope, template_id: int) -> Template:
    """Return a template.

    Raises:
        NotFound: `template_not_found`.
    """
    return await scope.get(session, Template, template_id, "template")


async def hold(session: AsyncSession, scope: Scope, template_id: int) -> Template:
    """Return a template, locked until the end of the transaction, so that no dataset begins to use it.

    Raises:
        NotFound: `template_not_found`.
    """
    return await scope.hold(session, Template, template_id, "template")


def _contract(schema: Sequence[TemplateColumn]) -> Contract:
    columns = [column.to_column() for column in schema]
    contract = Contract.build(columns) if columns else Contract(())
    _refuse_differing_by_case(contract.names)
    return contract


def _refuse_differing_by_case(names: Sequence[str]) -> None:
    """Refuse columns that SQL engines take for one; templates that have them already stay as they are.

    Raises:
        InvalidFields: `duplicate_column`.
    """
    errors = [
        FieldError(
            ("body", "template_schema", names.index(name), "column_name"),
            f"Column {name!r} differs from {first!r} by case only, and SQL engines take them for one.",
            "duplicate_column",
        )
        for first, name in find_differing_by_case(names)
    ]
    if errors:
        raise InvalidFields(errors, code="duplicate_column")


def _add_version(session: AsyncSession, scope: Scope, template: Template) -> None:
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
