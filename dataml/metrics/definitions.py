"""Every metric that a process of the platform records.

Gauges that are read from the database at a scrape are in `ops.metrics`.
"""

from typing import Final

from dataml.metrics.recording import Counter, Gauge, Histogram, Metric

VERSION_LABELS: Final = ("tenant", "predictor", "version")
CALL_LABELS: Final = (*VERSION_LABELS, "alias")
"""Labels of metrics of single predictors, of which only so many are kept apart; see `metrics.totals`.

`alias` is the alias of the predictor by which the version was asked; empty without one.
"""

_REQUEST_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_JOB_BOUNDS: Final = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0)

HTTP_REQUESTS: Final = Counter(
    "dataml_http_requests_total",
    "Requests that replicas have answered, by the template of the route and the status.",
    ("method", "route", "status"),
)
HTTP_REQUEST_DURATION: Final = Histogram(
    "dataml_http_request_duration_seconds",
    "Time from the first byte of a request at a replica to the last byte of the answer.",
    ("method", "route"),
    bounds=_REQUEST_BOUNDS,
)
HTTP_ERRORS: Final = Counter("dataml_http_errors_total", "Refused requests, by the code of the error.", ("code",))

PREDICTION_DURATION: Final = Histogram(
    "dataml_prediction_duration_seconds",
    "Time of the call of a model in real time, by the class of the answer's status. Its count is that of the calls.",
    (*CALL_LABELS, "status"),
    bounds=_REQUEST_BOUNDS,
)
PREDICTED_ROWS: Final = Counter(
    "dataml_predicted_rows_total",
    "Rows that models have predicted in real time, and steps that they have forecast.",
    VERSION_LABELS,
)
PREDICTION_WARNINGS: Final = Counter(
    "dataml_prediction_warnings_total",
    "Warnings of predictions in real time, by code, such as values that the training has not seen.",
    (*VERSION_LABELS, "code"),
)
BATCH_ROWS: Final = Counter(
    "dataml_batch_rows_total", "Rows that batch predictions have read, by outcome.", ("outcome",)
)

MODEL_LOAD_DURATION: Final = Histogram(
    "dataml_model_load_duration_seconds",
    "Time of loading a model, by where: the pool or an own deployment.",
    ("host",),
    bounds=_REQUEST_BOUNDS,
)
MODEL_LOAD_ERRORS: Final = Counter(
    "dataml_model_load_errors_total", "Models that could not be loaded, by where.", ("host",)
)
POOL_MODELS: Final = Gauge("dataml_pool_models", "Models that the replicas of the pool have loaded.")
POOL_EVICTIONS: Final = Counter("dataml_pool_evictions_total", "Models that gave their place in the pool to others.")

JOBS_FINISHED: Final = Counter("dataml_jobs_finished_total", "Jobs that have ended, by how.", ("kind", "state"))
JOB_DURATION: Final = Histogram(
    "dataml_job_duration_seconds", "Time from the last start of a job to its end.", ("kind",), bounds=_JOB_BOUNDS
)
WORKER_RESTARTS: Final = Counter(
    "dataml_worker_restarts_total",
    "Workers that were started again, by reason: `lost` the process died or hung, `not_started` it did not start, "
    "`stopped` its job had to end.",
    ("reason",),
)

DATABASE_DURATION: Final = Histogram(
    "dataml_database_transaction_duration_seconds",
    "Time that a transaction was open, by kind: `read`, `write`, or `lookup` of a single statement.",
    ("kind",),
    bounds=_REQUEST_BOUNDS,
)
DATABASE_ERRORS: Final = Counter(
    "dataml_database_errors_total", "Transactions that failed because the database did not answer.", ("kind",)
)
STORAGE_DURATION: Final = Histogram(
    "dataml_storage_operation_duration_seconds",
    "Time of an operation on files of the platform: `write`, `flush`, or `upload`, `download`, `remove` with a store.",
    ("operation",),
    bounds=_REQUEST_BOUNDS,
)
STORAGE_ERRORS: Final = Counter(
    "dataml_storage_errors_total", "Failed operations on files of the platform, by operation.", ("operation",)
)

LOGGED_PREDICTIONS: Final = Counter(
    "dataml_prediction_log_records_total",
    "Records of the prediction log, by outcome: `written`, or `dropped` because too many waited.",
    ("outcome",),
)
WAITING_PREDICTIONS: Final = Gauge(
    "dataml_prediction_log_waiting_records", "Records of the prediction log that wait in replicas."
)
PREDICTION_LOG_LAG: Final = Gauge(
    "dataml_prediction_log_lag_seconds", "Age of the oldest record that waits in a replica.", largest=True
)

PROCESSES: Final = Gauge("dataml_processes", "Processes of the platform that run, by kind.", ("process",))
PROCESS_MEMORY: Final = Gauge(
    "dataml_process_resident_memory_bytes", "Resident memory of all processes of a kind.", ("process",)
)
PROCESS_CPU: Final = Counter(
    "dataml_process_cpu_seconds_total", "Processor time of all processes of a kind.", ("process",)
)

RECORDED: Final[tuple[Metric, ...]] = (
    HTTP_REQUESTS,
    HTTP_REQUEST_DURATION,
    HTTP_ERRORS,
    PREDICTION_DURATION,
    PREDICTED_ROWS,
    PREDICTION_WARNINGS,
    BATCH_ROWS,
    MODEL_LOAD_DURATION,
    MODEL_LOAD_ERRORS,
    POOL_MODELS,
    POOL_EVICTIONS,
    JOBS_FINISHED,
    JOB_DURATION,
    WORKER_RESTARTS,
    DATABASE_DURATION,
    DATABASE_ERRORS,
    STORAGE_DURATION,
    STORAGE_ERRORS,
    LOGGED_PREDICTIONS,
    WAITING_PREDICTIONS,
    PREDICTION_LOG_LAG,
    PROCESSES,
    PROCESS_MEMORY,
    PROCESS_CPU,
)
"""All of them, in the order in which they are shown."""
