"""The routes of the pages about data."""

from starlette.routing import Route

from dataml.console.views import dataset_tabs, datasets, endpoints, lake, templates
from dataml.console.visit import page


def create_routes() -> list[Route]:
    """Return the routes of templates, datasets, the lake and endpoints."""
    return [
        page("/templates", templates.show_all),
        page("/templates/new", templates.show_new),
        page("/templates/new", templates.edit_new, "POST"),
        page("/templates/draft", templates.draft, "POST"),
        page("/templates/{template_id:int}", templates.show),
        page("/templates/{template_id:int}/edit", templates.show_edit),
        page("/templates/{template_id:int}/edit", templates.edit, "POST"),
        page("/templates/{template_id:int}/compare", templates.compare),
        page("/templates/{template_id:int}/delete", templates.delete, "POST"),
        page("/datasets", datasets.show_all),
        page("/datasets/new", datasets.show_upload),
        page("/datasets/from-table", datasets.show_table_form),
        page("/datasets/from-table", datasets.create_from_table, "POST"),
        page("/datasets/{dataset_id:int}", dataset_tabs.show),
        page("/datasets/{dataset_id:int}/validate", datasets.validate, "POST"),
        page("/datasets/{dataset_id:int}/files", datasets.add_files, "POST"),
        page("/datasets/{dataset_id:int}/files/{file_id:int}/delete", datasets.delete_file, "POST"),
        page("/datasets/{dataset_id:int}/statistics", datasets.compute_statistics, "POST"),
        page("/datasets/{dataset_id:int}/delete", datasets.delete, "POST"),
        page("/datasets/{dataset_id:int}/{tab}", dataset_tabs.show),
        page("/lake", lake.show_schemas),
        page("/lake/table", lake.show_table),
        page("/lake/table/delete", lake.delete_table, "POST"),
        page("/endpoints", endpoints.show_all),
        page("/endpoints/{train_id:int}", endpoints.show),
        page("/endpoints/{train_id:int}", endpoints.request_deployment, "POST"),
        page("/endpoints/{train_id:int}/withdraw", endpoints.withdraw_deployment, "POST"),
    ]
