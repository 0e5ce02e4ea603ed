"""The documented calls, with the documented fields of their answers.

A field of a success has more than one value, or has the reason here why it cannot.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Documented:
    """The fields of an answer: those that tell one answer from another, and those with one value, with the reason."""

    varying: tuple[str, ...] = ()
    constant: dict[str, str] = field(default_factory=dict)


def _under(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(prefix + name for name in names.split())


_ONLY_SUCCESS = "anything but success is an error, with an HTTP status and a code of its own"
_ACTIVE = "the token of a user who is not active is refused"
_SENTENCE = "the same sentence for every success"
_NOT_CHECKED = "cells are checked after the answer; the list of files has the report"
_CREATED = "a training that has just been accepted waits for its worker"
DONE = {"status": _ONLY_SUCCESS, "message": _SENTENCE}
DELETED = {"status_code": _ONLY_SUCCESS, "message": _SENTENCE}

_USER = "id tenant_id first_name last_name email username"
_TEMPLATE = "template_name id tenant_id no_of_columns created_by created_at modified_at modified_by"
_FILE = "dataset_id id file_name created_at modified_at total_fields total_records"
_DATASET = "tenant_id dataset_name file_count is_valid created_by template_id data_source iceberg_table_name id"
_DATASET += " template_name created_at modified_at dataset_usability usage dataset_usage"
_TRAINING = "tenant_id predictor_name preprocess_id problem_type domain created_by id dataset_id dataset_name"
_TRAINING += " data_source created_at modified_at algorithm accuracy ml_model_status train_status training_status"
_PREDICTION = "prediction_id train_id date dataset_id predictor_name prediction_type input_data status no_of_records"
_PREDICTION += " accuracy problem_type domain_name"
_UPLOADED = Documented(
    ("dataset_id", "dataset_name", "data_source", *_under("files[].", _FILE)), {"files[].error_report": _NOT_CHECKED}
)
_TRAININGS = Documented(("total", *_under("data[].", _TRAINING)))

CALLS = {
    "POST /login/access-token": Documented(("access_token",), {"token_type": "every token is a bearer token"}),
    "POST /login/test-token": Documented(tuple(_USER.split()), {"is_active": _ACTIVE}),
    "POST /refresh": Documented(("access_token",), {"token_type": "every token is a bearer token"}),
    "POST /logout": Documented((), DONE),
    "POST /reset-password": Documented((), DONE),
    "GET /validate-token": Documented((), DONE),
    "POST /users/create-user": Documented(),
    "GET /users/read-users": Documented(("count", *_under("data[].", f"{_USER} is_active"))),
    "GET /users/{user_id}": Documented(tuple(f"{_USER} is_active".split())),
    "POST /rbac/roles": Documented(("id", "tenant_id", "name")),
    "POST /rbac/permissions": Documented(("id", "tenant_id", "name")),
    "GET /utils/health-check": Documented((), DONE),
    "POST /template": Documented(("id",), DONE),
    "GET /template/list": Documented(("total", *_under("data[].", _TEMPLATE))),
    "GET /template/{template_id}": Documented(
        (*_TEMPLATE.split(), *_under("template_schema[].", "column_name data_type default_value"))
    ),
    "PUT /template/update/{template_id}": Documented(
        ("template_name", *_under("template_schema[].", "column_name data_type default_value"))
    ),
    "DELETE /template/{template_id}": Documented((), DELETED),
    "POST /dataset/upload": _UPLOADED,
    "GET /dataset/list": Documented(("total", *_under("data[].", _DATASET))),
    "GET /dataset/list_validated": Documented(
        _under("[].", "tenant_id dataset_name file_count created_by template_id id"),
        {"[].is_valid": "the list has the datasets that are valid"},
    ),
    "DELETE /dataset/delete/{dataset_id}": Documented((), DELETED),
    "GET /dataset/get_dataset_by_id": Documented(
        ("dataset_name", "dataset_path", "validated_path", "iceberg_table_name", "data_source")
    ),
    "GET /dataset/view": Documented(("preview[]",)),
    "POST /dataset/generate_statistics": Documented(("job_id",), DONE),
    "POST /files/add": _UPLOADED,
    "GET /files/list": Documented(("total", *_under("data[].", f"{_FILE} error_report"))),
    "GET /files/view": Documented(("file_id", "content_preview")),
    "DELETE /files/delete/{file_id}": Documented((), DELETED),
    "GET /files/download": Documented(),
    "GET /files/get_file_by_id": Documented((*f"{_FILE} error_report".split(), "csv_file_path", "hdf_file_path")),
    "POST /train": Documented(
        _under("", "id tenant_id predictor_name problem_type created_by dataset_id created_at modified_at"),
        {"training_status": _CREATED},
    ),
    "POST /train/get_details": Documented(
        _under("", "dataset_id predictor_name domain problem_type attributes")
        + _under("dataset_schema[].", "column_name data_type")
    ),
    "GET /train/list": _TRAININGS,
    "GET /train/refresh": _TRAININGS,
    "DELETE /train/delete/{id}": Documented((), DELETED),
    "POST /train/update": Documented((), DELETED | {"data": _SENTENCE}),
    "POST /train/result": Documented((), DONE),
    "GET /train/download-schema/{train_id}": Documented(("schema[].column_name", "schema[].data_type")),
    "GET /train/view-feature-importance": Documented(("feature_importance", "status")),
    "GET /train/generate-feature-importance": Documented(("shap_job_id",), DONE),
    "POST /train/shap-result": Documented((), DONE),
    "DELETE /train/delete-feature-importance/{train_id}": Documented((), DELETED),
    "GET /train/model-summary": Documented(
        (*_under("model_summary.", "model accuracy precision recall f1_score"), "confusion_matrix")
    ),
    "POST /inference": Documented(("prediction", "accuracy")),
    "POST /inference/batchPrediction": Documented((), DELETED),
    "GET /inference/form-based-prediction": Documented(
        ("id", *_under("headers[].", "column_name data_type default_value"), "target", "preprocess_id")
    ),
    "POST /inference/forecast": Documented(_under("forecast[].", "date value confidence")),
    "GET /inference/result": Documented(("status", "result_path", "file_id", "dataset_id")),
    "GET /inference/predictions": Documented(_under("data[].", _PREDICTION)),
    "GET /datalake/schemas": Documented(("[]",)),
    "GET /datalake/schemas/tables": Documented(("[]",)),
    "GET /datalake/tables/columns": Documented(("[].column_name", "[].data_type")),
    "GET /datalake/table_metadata": Documented(
        ("schema", "table", "owner", "created_time", "last_access_time", "location"),
        {"format": "every table of the built-in lake is one of Iceberg"},
    ),
    "GET /datalake/numeric_stats": Documented(("column", "count", "mean", "std_dev", "min", "max", "median")),
    "GET /datalake/distinct-count": Documented(("column", "distinct_count")),
    "POST /ray/terminate_ray_job": Documented(("message",), {"status": _ONLY_SUCCESS}),
}
