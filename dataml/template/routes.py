"""Template calls."""

from typing import Annotated

from fastapi import Query, Request

from dataml.access.dependencies import TemplateEditor, Viewer
from dataml.http.dependencies import AppSettings, Db, Paged, RowDependents
from dataml.http.multipart import OPENAPI_BODY, received_files
from dataml.http.routing import Router
from dataml.template import drafts, service
from dataml.template.models import Template
from dataml.template.schemas import (
    Created,
    CreateTemplate,
    Deleted,
    InferredTemplate,
    TemplateAnswer,
    TemplateList,
    TemplateRow,
    UpdateTemplate,
    VersionAnswer,
    VersionList,
    describe,
)

router = Router(prefix="/template", tags=["Template"])


@router.post("", status_code=201)
async def create_template(request: CreateTemplate, user: TemplateEditor, database: Db) -> Created:
    """Describe data once: names, types and defaults of its columns, and what their values have to be."""
    async with database.transaction() as session:
        template = await service.create(session, user.scope, request)
    return Created(message="Template created successfully.", id=template.id)


@router.post("/infer", openapi_extra=OPENAPI_BODY)
async def infer_template(
    http: Request,
    user: TemplateEditor,
    settings: AppSettings,
    rows: Annotated[int, Query(ge=1, le=1_000_000, description="Rows of each file to look at, at most.")] = 100_000,
) -> InferredTemplate:
    """Draft the columns of a template from sample files. Nothing is kept."""
    async with received_files(http, min(settings.max_upload_bytes, drafts.MAX_SAMPLE_BYTES)) as parts:
        return await drafts.draft(parts, rows)


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
    return describe(template, service.columns_of(template.contract))


@router.get("/{template_id}/versions")
async def list_versions(template_id: int, user: Viewer, database: Db, page: Paged) -> VersionList:
    """What a template was from one update to the next, newest first."""
    async with database.reading() as session:
        total, versions = await service.list_versions(session, user.scope, template_id, page)
    data = [VersionAnswer.of(version, service.columns_of(version.contract)) for version in versions]
    return VersionList(total=total, data=data)


@router.put("/update/{template_id}")
async def update_template(
    template_id: int, request: UpdateTemplate, user: TemplateEditor, database: Db
) -> TemplateAnswer:
    """Make the next version of a template. Datasets keep the version that they were checked with."""
    async with database.transaction() as session:
        template = await service.update(session, user.scope, template_id, request)
    return describe(template, service.columns_of(template.contract))


@router.delete("/{template_id}")
async def delete_template(template_id: int, user: TemplateEditor, database: Db, dependents: RowDependents) -> Deleted:
    """Delete a template that no dataset uses."""
    async with database.transaction() as session:
        await service.hold(session, user.scope, template_id)
        await dependents.release(session, user.scope, Template, template_id)
        await service.delete(session, user.scope, template_id)
    return Deleted(message="Template deleted successfully")
