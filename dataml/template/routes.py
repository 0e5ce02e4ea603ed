"""Template calls."""

from fastapi import APIRouter

from dataml.dependencies import Db, Paged, TemplateEditor, Viewer
from dataml.template import service
from dataml.template.models import Template
from dataml.template.schemas import Created, CreateTemplate, TemplateAnswer, TemplateList, TemplateRow, describe

router = APIRouter(prefix="/template", tags=["Template"])


@router.post("", status_code=201)
async def create_template(request: CreateTemplate, user: TemplateEditor, database: Db) -> Created:
    """Describe data once: names, types and defaults of its columns."""
    async with database.transaction() as session:
        template = await service.create(session, user.scope, request)
    return Created(message="Template created successfully.", id=template.id)


@router.get("/list")
async def list_templates(user: Viewer, database: Db, page: Paged) -> TemplateList:
    """Templates of the tenant, newest first."""
    async with database.reading() as session:
        total, templates = await user.scope.list(session, Template, page)
    return TemplateList(total=total, data=[TemplateRow.of(template) for template in templates])


@router.get("/{template_id}")
async def get_template(template_id: int, user: Viewer, database: Db) -> TemplateAnswer:
    """One template with its columns."""
    async with database.reading() as session:
        template = await service.get(session, user.scope, template_id)
    return describe(template, service.columns_of(template))
