"""Template calls: templates, their versions, and drafts from sample files."""

from typing import Annotated

from fastapi import Depends, Query, Request

from dataml.access.dependencies import TemplateEditor, Viewer
from dataml.db.scope import Page
from dataml.http.csv_options import SentCsvOptions
from dataml.http.dependencies import AppSettings, Db, Paged, RowDependents
from dataml.http.lists import Filter, ListQuery
from dataml.http.multipart import OPENAPI_BODY, received_files
from dataml.http.routing import Router
from dataml.template import drafts, service
from dataml.template.models import Template
from dataml.template.schemas import (
    CreateTemplate,
    InferredTemplate,
    TemplateAnswer,
    TemplateCreated,
    TemplateDeleted,
    TemplateList,
    TemplateRow,
    UpdateTemplate,
    VersionAnswer,
    VersionList,
)

router = Router(prefix="/template", tags=["Template"])
TemplatePage = Annotated[
    Page,
    Depends(
        ListQuery(
            Template,
            search=("name",),
            filters={"name": Filter("name")},
            sort=("id", "name", "created_at", "modified_at"),
            time="created_at",
        )
    ),
]


@router.post("", status_code=201)
async def create_template(request: CreateTemplate, user: TemplateEditor, database: Db) -> TemplateCreated:
    """Create a template: the names, types and defaults of the columns of your data, and the rules for their values."""
    async with database.transaction() as session:
        template = await service.create(session, user.scope, request)
    return TemplateCreated(message="Template created successfully.", id=template.id)


@router.post("/infer", openapi_extra=OPENAPI_BODY)
async def infer_template(
    http: Request,
    user: TemplateEditor,
    settings: AppSettings,
    csv: SentCsvOptions,
    rows: Annotated[
        int, Query(ge=1, le=1_000_000, description="Maximum number of rows to read of each file.")
    ] = 100_000,
) -> InferredTemplate:
    """Infer the columns of a template from sample files. Nothing is stored."""
    async with received_files(http, min(settings.max_upload_bytes, drafts.MAX_SAMPLE_BYTES)) as parts:
        return await drafts.draft(parts, rows, csv)


@router.get("/list")
async def list_templates(user: Viewer, database: Db, page: TemplatePage) -> TemplateList:
    """List the templates of the tenant, newest first."""
    async with database.reading() as session:
        total, templates = await user.scope.list(session, Template, page)
    return TemplateList(total=total, data=[TemplateRow.model_validate(template) for template in templates])


@router.get("/{template_id}")
async def get_template(template_id: int, user: Viewer, database: Db) -> TemplateAnswer:
    """Return a template with the columns of its newest version."""
    async with database.reading() as session:
        template = await service.get(session, user.scope, template_id)
    return TemplateAnswer.from_template(template)


@router.get("/{template_id}/versions")
async def list_template_versions(template_id: int, user: Viewer, database: Db, page: Paged) -> VersionList:
    """List the versions of a template, newest first."""
    async with database.reading() as session:
        total, versions = await service.list_versions(session, user.scope, template_id, page)
    return VersionList(total=total, data=[VersionAnswer.from_version(version) for version in versions])


@router.put("/update/{template_id}")
async def update_template(
    template_id: int, request: UpdateTemplate, user: TemplateEditor, database: Db
) -> TemplateAnswer:
    """Update a template, which makes its next version. A dataset keeps the version it was validated against."""
    async with database.transaction() as session:
        template = await service.update(session, user.scope, template_id, request)
    return TemplateAnswer.from_template(template)


@router.delete("/{template_id}")
async def delete_template(
    template_id: int, user: TemplateEditor, database: Db, dependents: RowDependents
) -> TemplateDeleted:
    """Delete a template that no dataset uses."""
    async with database.transaction() as session:
        await service.hold(session, user.scope, template_id)
        await dependents.release(session, user.scope, Template, template_id)
        await service.delete(session, user.scope, template_id)
    return TemplateDeleted(message="Template deleted successfully")
