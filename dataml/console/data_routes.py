"""The routes of the pages about data."""

from starlette.routing import Route

from dataml.console.views import dataset_tabs, datasets, templates
from dataml.console.visit import page


def create_routes() -> list[Route]:
    """Return the routes of templates and datasets."""
    return [
        page("/templates", templates.show_all),
        page("/templates/{template_id:int}", templates.show),
        page("/datasets", datasets.show_all),
        page("/datasets/new", datasets.show_upload),
        page("/datasets/{dataset_id:int}", dataset_tabs.show),
        page("/datasets/{dataset_id:int}/validate", datasets.validate, "POST"),
        page("/datasets/{dataset_id:int}/files/{file_id:int}/delete", datasets.delete_file, "POST"),
        page("/datasets/{dataset_id:int}/statistics", datasets.compute_statistics, "POST"),
        page("/datasets/{dataset_id:int}/delete", datasets.delete, "POST"),
        page("/datasets/{dataset_id:int}/{tab}", dataset_tabs.show),
    ]
