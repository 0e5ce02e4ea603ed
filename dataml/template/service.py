"""Templates: named contracts of a tenant."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.audit import service as audit
from dataml.db.scope import Scope
from dataml.errors import Conflict
from dataml.ml.contract import Column, Contract
from dataml.template.models import Template
from dataml.template.schemas import CreateTemplate


async def create(session: AsyncSession, scope: Scope, request: CreateTemplate) -> Template:
    """Raises:
    Invalid: the columns make no contract (a name twice, an unknown type, a default of another type).
    Conflict: `template_exists`.
    """
    columns = [column.to_column() for column in request.template_schema]
    contract = Contract.build(columns) if columns else Contract(())
    template = Template(
        tenant_id=scope.tenant_id,
        name=request.template_name,
        contract=contract.to_json(),
        created_by=scope.username,
        modified_by=scope.username,
    )
    session.add(template)
    try:
        await session.flush()
    except IntegrityError as error:
        detail = f"There is a template named {request.template_name!r} already; choose another name."
        raise Conflict(detail, code="template_exists") from error
    audit.record(session, scope, "template.create", f"template:{template.id}", name=template.name)
    return template


def columns_of(template: Template) -> tuple[Column, ...]:
    """The columns of a template, which may still be without any; a contract has at least one."""
    return Contract.from_json(template.contract).columns if template.contract["columns"] else ()


async def get(session: AsyncSession, scope: Scope, template_id: int) -> Template:
    return await scope.get(session, Template, template_id, "template")
