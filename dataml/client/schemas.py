# Generated from the OpenAPI document by `make client`: change the platform's schemas.
"""The bodies and the answers of all calls, as types."""

from typing import Any, Literal, NotRequired, TypedDict


class ActivityStatus(TypedDict):
    """What all processes have recorded since the supervisor's process started; it may be five seconds old."""

    requests: "CallFigures"
    predictions: "CallFigures"
    prediction_log: "PredictionLogFigures"
    worker_restarts: dict[str, int]
    processes: "list[ProcessFigures]"


class ActualOutcome(TypedDict):
    """What has really come of a prediction."""

    prediction_id: int
    value: bool | int | float | str


class ActualsAnswer(TypedDict):
    """What has become of the outcomes."""

    added: int
    changed: int
    unchanged: int
    unknown: int
    unknown_ids: list[int]


class ActualsRequest(TypedDict):
    """Outcomes of predictions of one predictor."""

    actuals: "list[ActualOutcome]"


class AliasRequest(TypedDict):
    """The version that an alias names."""

    version: int


class AliasRow(TypedDict):
    """An alias, and the version that it names."""

    alias: str
    version: int
    train_id: int
    endpoint_url: str
    created_by: str
    modified_at: str


class ApiKeyAnswer(TypedDict):
    """An API key, without its secret."""

    id: int
    user_id: int
    name: str
    prefix: str
    permissions: list[str]
    created_at: str
    expires_at: str
    revoked_at: "str | None"


class ApiKeyCreated(TypedDict):
    """A new API key with its secret."""

    id: int
    user_id: int
    name: str
    prefix: str
    permissions: list[str]
    created_at: str
    expires_at: str
    revoked_at: "str | None"
    key: str


class ApiKeyList(TypedDict):
    """A page of API keys."""

    total: int
    data: "list[ApiKeyAnswer]"


class AuditList(TypedDict):
    """A page of the audit log."""

    total: int
    data: "list[AuditRow]"


class AuditRow(TypedDict):
    """One event of the audit log."""

    id: int
    at: str
    tenant_id: str
    user_id: "int | None"
    username: "str | None"
    action: str
    subject: "str | None"
    outcome: "Outcome"
    address: "str | None"
    request_id: "str | None"
    detail: "dict[str, Any] | None"


class BatchForecast(TypedDict):
    """The options of a batch forecast."""

    steps: NotRequired["int | None"]
    frequency: NotRequired["str | None"]
    unique_ids: NotRequired["list[str] | None"]
    observations_id: NotRequired["int | None"]
    future_id: NotRequired["int | None"]
    revised: NotRequired[Literal["refuse", "use"]]
    level: NotRequired[float]
    aggregate: NotRequired[Literal["sum", "mean"]]
    round: NotRequired[bool]


class BatchRequest(TypedDict):
    """A dataset to score, and the training that scores it."""

    train_id: int
    dataset_id: NotRequired["int | None"]
    forecast: NotRequired["BatchForecast | None"]
    explain: NotRequired[bool]
    result_table: NotRequired["str | None"]
    result_mode: NotRequired[Literal["append", "replace"]]
    threshold: NotRequired["float | None"]
    time_limit_s: NotRequired["int | None"]


class BatchStarted(TypedDict):
    """A batch that has been accepted."""

    message: str
    status_code: NotRequired[int]
    prediction_id: int
    job_id: str
    job_state: "JobState"


class Body_log_in(TypedDict):
    """Body_log_in."""

    grant_type: NotRequired["str | None"]
    username: str
    password: str
    scope: NotRequired[str]
    client_id: NotRequired["str | None"]
    client_secret: NotRequired["str | None"]


class CallFigures(TypedDict):
    """How many calls there were, and how long they took."""

    calls: int
    errors: int
    p50_ms: "float | None"
    p99_ms: "float | None"


class CallbackToken(TypedDict):
    """A token for a worker outside the cluster, with the work to do."""

    token: str
    job_id: str
    attempt: int
    expires_at: str
    directory: str
    spec: "dict[str, Any]"


class CallerAnswer(TypedDict):
    """The caller."""

    id: int
    tenant_id: str
    first_name: "str | None"
    last_name: "str | None"
    email: "str | None"
    username: str
    is_active: bool
    roles: NotRequired[list[str]]
    permissions: NotRequired[list[str]]


class CandidateAnswer(TypedDict):
    """One candidate of a training."""

    candidate: str
    metric: str
    score: "float | None"
    seconds: "float | None"
    state: "CandidateState"


CandidateState = Literal["waiting", "fitting", "scored", "stopped", "selected"]


class ClassShareAnswer(TypedDict):
    """How often a version has predicted a class."""

    label: str
    share: float
    difference: "DifferenceAnswer | None"


class ComparisonAnswer(TypedDict):
    """A shadow beside the versions that have answered, on the same requests."""

    version: int
    train_id: int
    problem_type: str
    requests: int
    answered_by: list[int]
    agreement: "float | None"
    mean_difference: "float | None"
    mean_absolute_difference: "float | None"
    probability_shift: "float | None"
    answered_latency_ms: "Latency | None"
    shadow_latency_ms: "Latency | None"
    examples: "list[ComparisonExample]"
    metric: Literal["accuracy", "mean_absolute_error"]
    actuals: int
    answered_score: "float | None"
    shadow_score: "float | None"
    score_difference: "DifferenceAnswer | None"


class ComparisonExample(TypedDict):
    """A request for which the shadow predicts something else."""

    prediction_id: int
    shadow_prediction_id: int
    input_data: str
    answered: bool | int | float | str
    shadow: bool | int | float | str


class CreateApiKey(TypedDict):
    """A new API key."""

    name: str
    permissions: NotRequired[list[str]]
    expires_at: NotRequired["str | None"]


class CreateTemplate(TypedDict):
    """A new template."""

    template_name: str
    template_schema: NotRequired["list[TemplateColumn]"]


class CreateTenant(TypedDict):
    """A new tenant."""

    name: str


class CreateUser(TypedDict):
    """A new user."""

    tenant_id: str
    username: str
    password: str
    email: str
    first_name: NotRequired["str | None"]
    last_name: NotRequired["str | None"]
    roles: NotRequired[list[str]]


class DatasetAnswer(TypedDict):
    """A dataset with its columns and its wrong cells in numbers."""

    tenant_id: str
    dataset_name: str
    file_count: int
    is_valid: bool
    created_by: str
    template_id: "int | None"
    data_source: str
    iceberg_table_name: "str | None"
    iceberg_snapshot_id: "int | None"
    raw_table_name: "str | None"
    raw_snapshot_id: "int | None"
    id: int
    template_name: "str | None"
    created_at: str
    modified_at: str
    dataset_usability: "str | None"
    usage: Literal["t", "p"]
    dataset_usage: "Literal['Training', 'Prediction']"
    state: Literal["validating", "valid", "invalid", "failed"]
    total_records: int
    kept_records: int
    version: int
    dataset_path: str
    validated_path: "str | None"
    validated_sha256: "str | None"
    template_version: "int | None"
    schema: "list[DatasetColumn] | None"
    error_summary: "ErrorSummary"
    warnings: "list[WarningAnswer]"
    failure: "str | None"
    on_error: Literal["quarantine", "reject"]
    job_id: "str | None"


class DatasetColumn(TypedDict):
    """A column of a validated dataset."""

    column_name: str
    data_type: str
    default_value: "str | None"
    date_order: "Literal['dmy', 'mdy', 'ymd'] | None"
    date_format: "str | None"
    time_zone: "str | None"
    number_format: "str | None"
    missing_values: "list[str] | None"
    strip: bool


class DatasetDeleted(TypedDict):
    """The answer when a dataset was deleted."""

    status_code: NotRequired[int]
    message: str


class DatasetList(TypedDict):
    """A page of datasets."""

    total: int
    data: "list[DatasetRow]"


class DatasetOrigin(TypedDict):
    """The dataset that a training learned from, as it was then."""

    id: int
    name: str
    version: int
    current_version: int
    data_source: str
    template_id: "int | None"
    template_version: "int | None"
    parquet: str
    parquet_sha256: "str | None"
    files: "list[SourceOfRows]"


class DatasetPreview(TypedDict):
    """A page of the rows of a dataset."""

    preview: "list[dict[str, Any]]"
    total: int


class DatasetRow(TypedDict):
    """A dataset in a list."""

    tenant_id: str
    dataset_name: str
    file_count: int
    is_valid: bool
    created_by: str
    template_id: "int | None"
    data_source: str
    iceberg_table_name: "str | None"
    iceberg_snapshot_id: "int | None"
    raw_table_name: "str | None"
    raw_snapshot_id: "int | None"
    id: int
    template_name: "str | None"
    created_at: str
    modified_at: str
    dataset_usability: "str | None"
    usage: Literal["t", "p"]
    dataset_usage: "Literal['Training', 'Prediction']"
    state: Literal["validating", "valid", "invalid", "failed"]
    total_records: int
    kept_records: int
    version: int


class DependenceChart(TypedDict):
    """The chart of one feature: its values against their SHAP values."""

    name: str
    feature: str
    coloured_by: "str | None"
    chart: "dict[str, Any]"


class DetailsAnswer(TypedDict):
    """The columns of a dataset and the roles they can have."""

    dataset_id: int
    predictor_name: str
    domain: str
    problem_type: str
    dataset_schema: "list[TrainingColumn]"
    attributes: list[str]


class DetailsRequest(TypedDict):
    """A training that is being configured."""

    dataset_id: int
    predictor_name: str
    domain: str
    problem_type: str


class DifferenceAnswer(TypedDict):
    """A difference with its 95% interval.

    While the interval holds 0, it may be chance.
    """

    value: float
    low: float
    high: float


class DirectForecastRequest(TypedDict):
    """The series and steps to forecast with a predictor that the path names."""

    steps: int
    frequency: NotRequired["str | None"]
    unique_id: NotRequired["str | None"]
    unique_ids: NotRequired["list[str] | Literal['all'] | None"]
    dataset_id: NotRequired["int | None"]
    future: NotRequired["list[dict[str, Any]] | FutureDataset | None"]
    revised: NotRequired[Literal["refuse", "use"]]
    level: NotRequired[float]
    aggregate: NotRequired[Literal["sum", "mean"]]
    explain: NotRequired[bool]
    round: NotRequired[bool]


class DirectRequest(TypedDict):
    """One row as `features`, or several as `instances`."""

    features: NotRequired["dict[str, Any] | None"]
    instances: NotRequired["list[dict[str, Any]] | None"]
    explain: NotRequired[bool]
    threshold: NotRequired["float | None"]


class DistinctCount(TypedDict):
    """The number of distinct values of a column."""

    column: str
    distinct_count: int
    is_exact: bool


class DoneAnswer(TypedDict):
    """The confirmation of a call."""

    status: NotRequired[int]
    message: str


class EndpointAnswer(TypedDict):
    """What is wanted of the deployment of a predictor, and what runs."""

    predictor_name: str
    train_id: int
    problem_type: str
    wanted: "Literal['requested', 'newest'] | None"
    min_replicas: "int | None"
    max_replicas: "int | None"
    target_ongoing_requests: "float | None"
    upscale_delay_s: "float | None"
    downscale_delay_s: "float | None"
    state: Literal["pool", "waiting", "starting", "running", "failed", "stopping"]
    replicas: int
    recent_calls: "VersionCalls | None"
    endpoint_url: "str | None"
    replica_urls: list[str]
    created_by: "str | None"
    created_at: "str | None"
    modified_at: "str | None"


class EndpointList(TypedDict):
    """A page of the endpoints of a tenant."""

    total: int
    data: "list[EndpointAnswer]"


class EndpointRequest(TypedDict):
    """How many replicas the deployment of a predictor has, and when it gets more or fewer."""

    min_replicas: NotRequired[int]
    max_replicas: NotRequired["int | None"]
    target_ongoing_requests: NotRequired["float | None"]
    upscale_delay_s: NotRequired["float | None"]
    downscale_delay_s: NotRequired["float | None"]


class Error(TypedDict):
    """A refused call."""

    detail: "str | list[WrongField]"
    code: str
    request_id: str


class ErrorReportAnswer(TypedDict):
    """The wrong cells of a dataset, in numbers and by file."""

    total_errors: int
    rows_with_errors: int
    by_column: dict[str, int]
    by_rule: dict[str, int]
    dataset_id: int
    total_records: int
    kept_records: int
    dataset_usability: "str | None"
    files: "list[FileErrorReport]"


class ErrorSummary(TypedDict):
    """The wrong cells of a dataset in numbers."""

    total_errors: int
    rows_with_errors: int
    by_column: dict[str, int]
    by_rule: dict[str, int]


class ExplainReport(TypedDict):
    """The report of a feature importance."""

    training_id: int
    result: dict[str, float]
    sample_rows: NotRequired["int | None"]
    total_rows: NotRequired["int | None"]


ExplainedRow = TypedDict(
    "ExplainedRow", {"row": int, "class": "str | None", "values": "dict[str, Any]", "effects": dict[str, float]}
)


class ExplanationAnswer(TypedDict):
    """An explanation of a model."""

    feature_importance: dict[str, float]
    sample_rows: int
    total_rows: int
    effect: str
    classes: "list[str] | None"
    rows: "list[ExplainedRow]"
    beeswarm: "dict[str, Any] | None"
    dependence: "list[DependenceChart]"


class FileAnswer(TypedDict):
    """A file with the download names of its copies."""

    dataset_id: int
    id: int
    file_name: str
    created_at: str
    modified_at: str
    total_fields: int
    total_records: int
    error_report: "FileErrors | None"
    file_path: str
    format: Literal["csv", "parquet", "iceberg"]
    purpose: Literal["source", "prediction"]
    size_bytes: int
    encoding: str
    delimiter: "str | None"
    header_row: "int | None"
    csv_file_path: "str | None"
    hdf_file_path: "str | None"
    parquet_file_path: "str | None"


class FileDeleted(TypedDict):
    """The answer when a file was deleted."""

    status_code: NotRequired[int]
    message: str
    dataset_id: int
    state: Literal["validating", "valid", "invalid", "failed"]
    job_id: "str | None"
    job_state: "JobState | None"


class FileErrorReport(TypedDict):
    """The wrong cells of a file that is named."""

    total_errors: int
    rows_with_errors: int
    by_column: dict[str, int]
    by_rule: dict[str, int]
    first: "list[WrongCell]"
    file_id: int
    file_name: str


class FileErrors(TypedDict):
    """The wrong cells of a file."""

    total_errors: int
    rows_with_errors: int
    by_column: dict[str, int]
    by_rule: dict[str, int]
    first: "list[WrongCell]"


class FileList(TypedDict):
    """A page of the files of a dataset."""

    total: int
    data: "list[FileRow]"


class FilePreview(TypedDict):
    """The first lines of a file."""

    file_id: int
    content_preview: list[str]


class FileRow(TypedDict):
    """A file in a list."""

    dataset_id: int
    id: int
    file_name: str
    created_at: str
    modified_at: str
    total_fields: int
    total_records: int
    error_report: "FileErrors | None"
    file_path: str
    format: Literal["csv", "parquet", "iceberg"]
    purpose: Literal["source", "prediction"]
    size_bytes: int
    encoding: str
    delimiter: "str | None"
    header_row: "int | None"


class FilesForm(TypedDict):
    """The files of an upload."""

    files: list[str]


class ForecastAnswer(TypedDict):
    """A forecast."""

    forecast: "list[ForecastStep]"
    train_id: int
    frequency: str
    level: float
    prediction_id: int
    warnings: "list[WarningAnswer]"


class ForecastOptions(TypedDict):
    """How a forecast is trained."""

    horizon: NotRequired["int | None"]
    frequency: NotRequired["str | None"]
    season_length: NotRequired["int | None"]
    fill: NotRequired["Literal['previous', 'linear', 'zero', 'mean', 'seasonal'] | None"]
    windows: NotRequired["int | None"]
    revised: NotRequired[Literal["refuse", "use"]]
    hierarchy: NotRequired[list[str]]


class ForecastRequest(TypedDict):
    """The series and steps to forecast, and the training that forecasts them."""

    steps: int
    frequency: NotRequired["str | None"]
    unique_id: NotRequired["str | None"]
    unique_ids: NotRequired["list[str] | Literal['all'] | None"]
    dataset_id: NotRequired["int | None"]
    future: NotRequired["list[dict[str, Any]] | FutureDataset | None"]
    revised: NotRequired[Literal["refuse", "use"]]
    level: NotRequired[float]
    aggregate: NotRequired[Literal["sum", "mean"]]
    explain: NotRequired[bool]
    round: NotRequired[bool]
    train_id: int
    preprocess_id: NotRequired["int | None"]


class ForecastStep(TypedDict):
    """The forecast of one step of one series."""

    unique_id: "str | None"
    date: str
    value: int | float
    confidence: "float | None"
    lower: int | float
    upper: int | float
    explanation: NotRequired["dict[str, float] | None"]


class FormAnswer(TypedDict):
    """The fields that predictions with a model need."""

    id: int
    headers: "list[FormField]"
    target: str
    preprocess_id: int


class FormField(TypedDict):
    """A field of a form for predictions."""

    column_name: str
    data_type: str
    default_value: "str | None"
    is_required: bool
    minimum: "str | None"
    maximum: "str | None"
    allowed_values: "list[str] | None"


class FutureDataset(TypedDict):
    """A dataset with the exogenous values of the steps."""

    dataset_id: int


class HealthAnswer(TypedDict):
    """The answer of the health check."""

    status: Literal["ok", "degraded"]
    message: str


class HistoryAnswer(TypedDict):
    """The end of a series."""

    train_id: int
    unique_id: "str | None"
    frequency: str
    history: "list[HistoryStep]"
    next_dates: list[str]


class HistoryStep(TypedDict):
    """One observed step."""

    date: str
    value: "float | None"


class ImportanceAnswer(TypedDict):
    """The newest feature importance of a training."""

    feature_importance: dict[str, float]
    status: str
    sample_rows: "int | None"
    total_rows: "int | None"
    error: "str | None"


class ImportanceStarted(TypedDict):
    """The job that computes a feature importance."""

    status: str
    message: str
    shap_job_id: str
    job_state: "JobState"


class InferParameters(TypedDict):
    """Parameters of a whole request."""

    content_type: NotRequired["Literal['pd'] | None"]
    probabilities: NotRequired[bool]
    explain: NotRequired[bool]
    threshold: NotRequired["float | None"]
    binary_data_output: NotRequired[bool]
    priority: NotRequired["int | None"]
    timeout: NotRequired["int | None"]


class InferredTemplate(TypedDict):
    """Columns that were inferred from sample files."""

    template_schema: "list[TemplateColumn]"
    warnings: "list[WarningAnswer]"
    rows_read: int
    delimiter: "str | None"


class InputParameters(TypedDict):
    """Parameters of an input."""

    content_type: NotRequired["Literal['str', 'np', 'datetime'] | None"]
    binary_data_size: NotRequired["int | None"]


class InputTensor(TypedDict):
    """A column of the rows to predict."""

    name: str
    shape: list[int]
    datatype: str
    parameters: NotRequired["InputParameters | None"]
    data: NotRequired["list[Any] | None"]


class JobAnswer(TypedDict):
    """One job."""

    job_id: str
    kind: "JobKind"
    state: "JobState"
    progress: float
    phrase: str
    attempts: int
    subject_id: int
    created_by: str
    created_at: str
    started_at: "str | None"
    finished_at: "str | None"
    error: "JobError | None"


class JobDetail(TypedDict):
    """One job, with what was asked of it."""

    job_id: str
    kind: "JobKind"
    state: "JobState"
    progress: float
    phrase: str
    attempts: int
    subject_id: int
    created_by: str
    created_at: str
    started_at: "str | None"
    finished_at: "str | None"
    error: "JobError | None"
    leaderboard: "list[CandidateAnswer]"
    time_limit_s: int
    request: "dict[str, Any] | None"


class JobError(TypedDict):
    """Why a job failed."""

    code: str
    detail: str


JobKind = Literal["validate", "describe", "train", "explain", "score", "forecast"]


class JobList(TypedDict):
    """A page of jobs."""

    total: int
    data: "list[JobAnswer]"


class JobLog(TypedDict):
    """The log of one attempt at a job."""

    job_id: str
    attempt: int
    log: str


class JobStarted(TypedDict):
    """The answer when a job was started."""

    status: NotRequired[Literal["success"]]
    message: str
    job_id: str
    job_state: "JobState"


JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobsStatus(TypedDict):
    """The queue of all tenants."""

    queued: int
    running: int
    failed_last_day: int
    oldest_queued_at: "str | None"
    workers: int


class Latency(TypedDict):
    """Times in milliseconds."""

    p50: float
    p99: float


class Lineage(TypedDict):
    """What a training was made from, and the trainings that continue it."""

    dataset: "DatasetOrigin"
    preprocess_id: int
    own_preprocess_id: int
    bundle_sha256: "str | None"
    parent: "Relative | None"
    children: "list[Relative]"
    job: "JobAnswer | None"
    code_version: "str | None"
    library_versions: "dict[str, str] | None"


class ModelInferRequest(TypedDict):
    """Rows to predict, as one tensor a column."""

    id: NotRequired["str | None"]
    parameters: NotRequired["InferParameters | None"]
    inputs: "list[InputTensor]"
    outputs: NotRequired["list[RequestedOutput] | None"]
    model_name: NotRequired["str | None"]
    model_version: NotRequired["str | None"]


class ModelInferResponse(TypedDict):
    """The predictions of rows."""

    model_name: str
    model_version: str
    id: NotRequired["str | None"]
    parameters: NotRequired["dict[str, str | bool | int | float] | None"]
    outputs: "list[OutputTensor]"


class ModelMetadata(TypedDict):
    """What a model takes and answers."""

    name: str
    versions: list[str]
    platform: Literal["dataml"]
    inputs: "list[TensorMetadata]"
    outputs: "list[TensorMetadata]"


class ModelReadiness(TypedDict):
    """A model that takes requests."""

    name: str
    ready: "Literal[True]"


class NamedInTenant(TypedDict):
    """The name of a new role or permission, and its tenant."""

    name: str
    tenant_id: str


class NumericStats(TypedDict):
    """Statistics of a numeric column."""

    column: str
    count: int
    mean: "float | None"
    std_dev: "float | None"
    min: "int | float | None"
    max: "int | float | None"
    median: "float | None"


class OpenInferenceError(TypedDict):
    """A refused call of the Open Inference Protocol."""

    error: str
    code: str
    request_id: str


Outcome = Literal["success", "failure", "refused"]


class OutputParameters(TypedDict):
    """Parameters of a requested output."""

    content_type: NotRequired["str | None"]
    binary_data: NotRequired["bool | None"]


class OutputTensor(TypedDict):
    """An output of a model."""

    name: str
    datatype: str
    shape: list[int]
    parameters: NotRequired["dict[str, str | bool | int | float] | None"]
    data: NotRequired["list[Any] | None"]


class PermissionAnswer(TypedDict):
    """A permission of a tenant."""

    id: int
    tenant_id: str
    name: str
    is_builtin: bool


class PermissionList(TypedDict):
    """A page of permissions."""

    total: int
    data: "list[PermissionAnswer]"


class PlatformStatus(TypedDict):
    """The state of the platform."""

    version: str
    health: "HealthAnswer"
    database: Literal["sqlite", "postgresql"]
    storage: "StorageStatus"
    jobs: "JobsStatus"
    supervisor: "SupervisorStatus"
    activity: "ActivityStatus | None"
    tenants: int
    largest_tenants: "list[TenantUsage]"


class PredictAnswer(TypedDict):
    """The prediction of one row."""

    prediction: bool | int | float | str
    accuracy: "float | None"
    probability: "float | None"
    probabilities: "dict[str, float] | None"
    positive_class: "str | None"
    threshold: "float | None"
    prediction_id: int
    warnings: "list[WarningAnswer]"
    explanation: NotRequired["dict[str, float] | None"]


class PredictRequest(TypedDict):
    """One row to predict, and the training that predicts it."""

    train_id: int
    preprocess_id: NotRequired["int | None"]
    features: NotRequired["dict[str, Any]"]
    target: NotRequired["str | None"]
    explain: NotRequired[bool]
    threshold: NotRequired["float | None"]


class PredictionList(TypedDict):
    """A page of the prediction log."""

    total: int
    data: "list[PredictionRow]"


class PredictionLogFigures(TypedDict):
    """The log of predictions, which replicas write after they have answered."""

    waiting: int
    lag_s: float
    dropped: int


class PredictionRow(TypedDict):
    """One entry of the prediction log."""

    prediction_id: int
    train_id: int
    date: str
    dataset_id: "int | None"
    predictor_name: str
    predictor_version: int
    model_deleted_at: "str | None"
    prediction_type: str
    input_data: str
    request: "dict[str, Any] | None"
    output_data: "str | None"
    status: str
    no_of_records: int
    accuracy: "float | None"
    problem_type: str
    domain_name: str
    created_by: str


class PredictionsAnswer(TypedDict):
    """The predictions of several rows."""

    predictions: "list[PredictAnswer]"


class PredictorAnswer(TypedDict):
    """A predictor with its versions, and the history of its champions."""

    predictor_name: str
    url_name: str
    problem_type: str
    promotion: Literal["automatic", "manual"]
    champion_version: "int | None"
    champion_train_id: "int | None"
    endpoint_url: "str | None"
    newest_version: int
    versions: int
    aliases: "list[AliasRow]"
    split: "list[ShareRow]"
    shadows: "list[ShadowRow]"
    created_at: str
    modified_at: str
    data: "list[VersionRow]"
    promotions: "list[PromotionRow]"


class PredictorList(TypedDict):
    """A page of predictors."""

    total: int
    data: "list[PredictorRow]"


class PredictorRequest(TypedDict):
    """What to change of a predictor."""

    promotion: Literal["automatic", "manual"]


class PredictorRow(TypedDict):
    """A predictor, and which version answers for it."""

    predictor_name: str
    url_name: str
    problem_type: str
    promotion: Literal["automatic", "manual"]
    champion_version: "int | None"
    champion_train_id: "int | None"
    endpoint_url: "str | None"
    newest_version: int
    versions: int
    aliases: "list[AliasRow]"
    split: "list[ShareRow]"
    shadows: "list[ShadowRow]"
    created_at: str
    modified_at: str


class Problem(TypedDict):
    """A refused call, as RFC 9457 has it: for callers that send `Accept: application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: NotRequired["list[WrongField]"]


class ProblemTypeOptions(TypedDict):
    """What a training of one problem type can be told."""

    problem_type: str
    attributes: list[str]
    algorithms: list[str]
    tuning_metrics: list[str]


class ProcessFigures(TypedDict):
    """All processes of a kind."""

    process: str
    count: int
    resident_bytes: int


class PromoteRequest(TypedDict):
    """The version that is to answer for its predictor, and why."""

    version: int
    reason: NotRequired["str | None"]


PromotionKind = Literal["automatic", "manual", "rollback", "deletion"]


class PromotionRow(TypedDict):
    """A change of the champion."""

    version: int
    train_id: int
    kind: "PromotionKind"
    reason: "str | None"
    created_by: str
    created_at: str


class RefreshRequest(TypedDict):
    """A refresh token to use or to end."""

    refresh_token: str


class Relative(TypedDict):
    """A version that was continued, or that continues this one."""

    id: int
    version: "int | None"
    dataset_id: "int | None"
    status: str
    state: "TrainingState"
    accuracy: "float | None"
    is_promoted: "bool | None"
    created_at: "str | None"


class ReportAnswer(TypedDict):
    """The report of a model as JSON."""

    train_id: int
    predictor_name: str
    version: int
    summary: "dict[str, Any]"
    report: "dict[str, Any]"
    threshold: "float | None"
    threshold_source: "str | None"
    feature_importance: dict[str, float]


class ReportReceived(TypedDict):
    """A report that was received."""

    status: NotRequired[str]
    message: str


class RequestColumn(TypedDict):
    """The role of one column in a training."""

    column_name: str
    data_type: NotRequired["str | None"]
    attribute_name: str
    hint: NotRequired["Literal['category'] | None"]


class RequestedOutput(TypedDict):
    """An output that is asked for."""

    name: str
    parameters: NotRequired["OutputParameters | None"]


class ResetPassword(TypedDict):
    """A new password for a user."""

    user_name: str
    new_password: str
    current_password: NotRequired["str | None"]


class ResultAnswer(TypedDict):
    """The state and the result of a batch."""

    status: str
    train_id: int
    result_path: "str | None"
    file_id: "int | None"
    dataset_id: "int | None"
    no_of_records: int
    failed_records: int
    request: "dict[str, Any] | None"
    progress: float
    error: "str | None"
    job_id: "str | None"
    result_table: "str | None"
    result_snapshot_id: "int | None"
    positive_class: "str | None"
    threshold: "float | None"
    warnings: "list[WarningAnswer]"


class RoleAnswer(TypedDict):
    """A role and the permissions it holds."""

    id: int
    tenant_id: str
    name: str
    permissions: NotRequired[list[str]]


class RoleList(TypedDict):
    """A page of roles."""

    total: int
    data: "list[RoleAnswer]"


class RollbackRequest(TypedDict):
    """Why the champion before is to answer again."""

    reason: NotRequired["str | None"]


class SchemaAnswer(TypedDict):
    """The columns of a training."""

    schema: "list[TrainingColumn]"
    train_id: int
    preprocess_id: int
    bound_preprocess_id: int


class SeriesList(TypedDict):
    """A page of the series of a forecast model."""

    total: int
    data: "list[SeriesRow]"


class SeriesRow(TypedDict):
    """One series of a forecast model."""

    unique_id: "str | None"
    level: "str | None"
    values: int
    first: "str | None"
    last: "str | None"


class ServerLiveness(TypedDict):
    """A server that answers."""

    live: "Literal[True]"


class ServerMetadata(TypedDict):
    """The server."""

    name: Literal["dataml"]
    version: str
    extensions: list[str]


class ServerReadiness(TypedDict):
    """A server that takes requests."""

    ready: "Literal[True]"


class SessionAnswer(TypedDict):
    """A session: a login, and all its tokens."""

    id: int
    user_id: int
    is_current: bool
    network: str
    permissions: "list[str] | None"
    created_at: str
    expires_at: str
    ended_at: "str | None"


class SessionList(TypedDict):
    """A page of sessions."""

    total: int
    data: "list[SessionAnswer]"


class SessionsEnded(TypedDict):
    """The end of several sessions."""

    ended: int


class ShadowRow(TypedDict):
    """A version that gets a copy of each request."""

    version: int
    train_id: int


class Share(TypedDict):
    """The share of the requests that one version gets."""

    version: int
    weight: int


class ShareAnswer(TypedDict):
    """A schema that is shared with a tenant."""

    id: int
    tenant_id: str
    name: str
    source: Literal["iceberg", "trino"]
    schema_name: str
    owner_tenant_id: "str | None"
    created_by: str
    created_at: str


class ShareList(TypedDict):
    """A page of shares."""

    total: int
    data: "list[ShareAnswer]"


class ShareRequest(TypedDict):
    """A schema to share with a tenant."""

    tenant_id: str
    schema_name: str
    source: NotRequired[Literal["iceberg", "trino"]]
    owner_tenant_id: NotRequired["str | None"]
    name: NotRequired["str | None"]


class ShareRow(TypedDict):
    """A version that gets a share of the requests."""

    version: int
    train_id: int
    weight: int


class SourceOfRows(TypedDict):
    """A file that rows came from."""

    file_id: int
    name: str
    format: str
    records: int


class SplitComparisonAnswer(TypedDict):
    """Versions that share the traffic of a predictor.

    Each has answered other requests: a difference is one of the versions only as far as chance, or the routing key,
    has given them requests of the same kind. A shadow is compared on the same requests.
    """

    problem_type: str
    metric: Literal["accuracy", "mean_absolute_error"]
    baseline: int
    same_requests: bool
    data: "list[VersionComparison]"


class StatisticsAnswer(TypedDict):
    """The statistics of a dataset, and the state of their job."""

    dataset_id: int
    status: "JobState"
    job_id: str
    statistics: "dict[str, Any] | None"
    error: "JobError | None"


class StatusAnswer(TypedDict):
    """The outcome of a call, in words."""

    status: str
    message: str


class StorageStatus(TypedDict):
    """Space, in bytes."""

    kind: Literal["folder", "object store"]
    free_bytes: int
    reserve_bytes: int
    file_bytes: int


class SuggestedColumn(TypedDict):
    """A column, and the role that it most likely has."""

    column_name: str
    data_type: str
    attribute_name: str
    reason: "str | None"


class SummaryAnswer(TypedDict):
    """The model of a completed training."""

    model_summary: "dict[str, Any]"
    confusion_matrix: "list[list[int]] | None"
    classes: "list[str] | None"
    positive_class: "str | None"
    average: "dict[str, str] | None"
    warnings: "list[WarningAnswer]"


class SupervisorStatus(TypedDict):
    """The process that gives jobs to workers."""

    is_active: bool
    holder: "str | None"
    expires_at: "str | None"


class TableColumn(TypedDict):
    """A column of a lake table."""

    column_name: str
    data_type: str


class TableDeleted(TypedDict):
    """The answer when a lake table was deleted."""

    message: str


class TableMetadata(TypedDict):
    """The metadata of a lake table, with a page of its snapshots."""

    schema: str
    table: str
    owner: "str | None"
    created_time: "str | None"
    last_access_time: "str | None"
    location: "str | None"
    format: str
    row_count: "int | None"
    size_bytes: "int | None"
    snapshot_count: int
    snapshots: "list[TableSnapshot]"


class TablePreview(TypedDict):
    """Some rows of a lake table."""

    preview: "list[dict[str, Any]]"


class TableSnapshot(TypedDict):
    """A snapshot of a lake table."""

    snapshot_id: int
    created_time: str
    operation: "str | None"
    made_by: dict[str, str]


class TemplateAnswer(TypedDict):
    """A template with the columns of its newest version."""

    template_name: str
    id: int
    tenant_id: str
    no_of_columns: int
    version: int
    created_by: str
    created_at: str
    modified_at: str
    modified_by: str
    template_schema: "list[TemplateColumn]"


class TemplateColumn(TypedDict):
    """A column of a template: its name, its type, and the rules for its values."""

    column_name: str
    data_type: str
    default_value: NotRequired["str | None"]
    nullable: NotRequired[bool]
    minimum: NotRequired["str | None"]
    maximum: NotRequired["str | None"]
    allowed_values: NotRequired["list[str] | None"]
    pattern: NotRequired["str | None"]
    unique: NotRequired[bool]
    unseen: NotRequired[Literal["missing", "refuse"]]
    number_format: NotRequired["str | None"]
    date_format: NotRequired[
        "Literal['year', 'year_month', 'compact', 'epoch_s', 'epoch_ms', 'epoch_us', 'epoch_ns', 'excel'] | None"
    ]
    date_order: NotRequired["Literal['dmy', 'mdy', 'ymd'] | None"]
    time_zone: NotRequired["str | None"]
    missing_values: NotRequired["list[str] | None"]
    strip: NotRequired[bool]


class TemplateCreated(TypedDict):
    """The answer when a template was created."""

    status: NotRequired[int]
    message: str
    id: int


class TemplateDeleted(TypedDict):
    """The answer when a template was deleted."""

    status_code: NotRequired[int]
    message: str


class TemplateList(TypedDict):
    """A page of templates."""

    total: int
    data: "list[TemplateRow]"


class TemplateRow(TypedDict):
    """A template in a list, without its columns."""

    template_name: str
    id: int
    tenant_id: str
    no_of_columns: int
    version: int
    created_by: str
    created_at: str
    modified_at: str
    modified_by: str


class TenantAnswer(TypedDict):
    """A tenant."""

    id: str
    name: str
    is_active: bool
    quota_bytes: "int | None"
    created_at: str
    modified_at: str


class TenantList(TypedDict):
    """A page of tenants."""

    total: int
    data: "list[TenantAnswer]"


class TenantUsage(TypedDict):
    """What a tenant stores."""

    tenant_id: str
    name: str
    is_active: bool
    file_bytes: int
    quota_bytes: "int | None"


class TensorMetadata(TypedDict):
    """An input or an output of a model."""

    name: str
    datatype: str
    shape: list[int]


class ThresholdAnswer(TypedDict):
    """The threshold that is in force for a model."""

    train_id: int
    threshold: float
    threshold_source: Literal["default", "best_f1", "best_youden", "custom"]
    positive_class: str


class ThresholdRequest(TypedDict):
    """The threshold to keep with a model: a number, or what chooses it."""

    threshold: NotRequired["float | None"]
    criterion: NotRequired["Literal['best_f1', 'best_youden', 'default'] | None"]


class TokenAnswer(TypedDict):
    """The tokens of a session."""

    access_token: str
    refresh_token: str
    token_type: NotRequired[Literal["bearer"]]
    expires_in: int
    scope: str


class TrafficRequest(TypedDict):
    """How the requests for a predictor go to its versions."""

    split: NotRequired["list[Share]"]
    shadows: NotRequired[list[int]]


class TrainChecked(TypedDict):
    """What a request would train.

    Nothing was started.
    """

    dataset_id: int
    predictor_name: str
    version: int
    problem_type: str
    target: str
    roles: dict[str, str]
    algorithm: str
    parent_id: "int | None"
    time_limit_s: int
    warnings: "list[WarningAnswer]"


class TrainCreated(TypedDict):
    """A training that has been accepted."""

    id: int
    tenant_id: str
    predictor_name: str
    problem_type: str
    created_by: str
    dataset_id: int
    created_at: str
    modified_at: str
    training_status: str
    state: "TrainingState"
    preprocess_id: int
    version: int
    url_name: str
    job_id: str
    job_state: "JobState"


class TrainDetail(TypedDict):
    """All about one training."""

    tenant_id: str
    predictor_name: str
    url_name: str
    version: int
    parent_id: "int | None"
    preprocess_id: int
    problem_type: str
    domain: str
    created_by: str
    id: int
    dataset_id: int
    dataset_name: str
    data_source: str
    created_at: str
    modified_at: str
    algorithm: "str | None"
    accuracy: "float | None"
    metric: "str | None"
    metric_value: "float | None"
    state: "TrainingState"
    ml_model_status: str
    train_status: str
    training_status: str
    progress: float
    phrase: str
    error: "str | None"
    job_id: "str | None"
    is_promoted: bool
    positive_class: "str | None"
    warnings: "list[WarningAnswer]"
    endpoint: "str | None"
    endpoint_url: "str | None"
    version_url: NotRequired["str | None"]
    model: "str | None"
    target: str
    roles: dict[str, str]
    requested_algorithm: "str | None"
    hyperparameters: "dict[str, Any]"
    requested: "dict[str, Any]"
    metrics: "dict[str, Any] | None"
    summary: "dict[str, Any] | None"
    threshold: "float | None"
    threshold_source: "str | None"
    lineage: "Lineage"
    deleted_at: "str | None"
    deleted_by: "str | None"


class TrainList(TypedDict):
    """A page of trainings."""

    total: int
    data: "list[TrainRow]"


class TrainOutcome(TypedDict):
    """How a training has ended."""

    metrics: NotRequired["dict[str, float | None]"]
    checkpoint: NotRequired["str | None"]
    error: NotRequired["str | None"]
    path: NotRequired["str | None"]
    is_promoted: NotRequired["bool | None"]


class TrainReport(TypedDict):
    """The report of a training."""

    result: "TrainOutcome"
    train_id: NotRequired["int | None"]
    preprocess_id: NotRequired["str | None"]


class TrainRequest(TypedDict):
    """What is trained, and on which dataset."""

    dataset_id: int
    predictor_name: str
    domain: str
    problem_type: str
    columns: "list[RequestColumn]"
    is_incremental: NotRequired[bool]
    algorithm: NotRequired["str | None"]
    quality: NotRequired["Literal['fast', 'balanced', 'best'] | None"]
    positive_class: NotRequired["bool | int | float | str | None"]
    allow_identifier_target: NotRequired[bool]
    hyperparameters: NotRequired["dict[str, Any]"]
    validation: NotRequired["ValidationRequest | None"]
    tuning: NotRequired["TuningRequest | None"]
    forecast: NotRequired["ForecastOptions | None"]
    workers: NotRequired[int]
    seed: NotRequired[int]
    shap_enabled: NotRequired[bool]
    new_version: NotRequired[bool]
    time_limit_s: NotRequired["int | None"]


class TrainRow(TypedDict):
    """One training in a list."""

    tenant_id: str
    predictor_name: str
    url_name: str
    version: int
    parent_id: "int | None"
    preprocess_id: int
    problem_type: str
    domain: str
    created_by: str
    id: int
    dataset_id: int
    dataset_name: str
    data_source: str
    created_at: str
    modified_at: str
    algorithm: "str | None"
    accuracy: "float | None"
    metric: "str | None"
    metric_value: "float | None"
    state: "TrainingState"
    ml_model_status: str
    train_status: str
    training_status: str
    progress: float
    phrase: str
    error: "str | None"
    job_id: "str | None"
    is_promoted: bool
    positive_class: "str | None"
    warnings: "list[WarningAnswer]"
    endpoint: "str | None"
    endpoint_url: "str | None"
    version_url: NotRequired["str | None"]


class TrainSuggestion(TypedDict):
    """How to train on a dataset, as its first rows suggest it; and what can be chosen instead."""

    dataset_id: int
    target: str
    problem_type: str
    reason: str
    classes: "list[str] | None"
    frequency: "str | None"
    horizon: "int | None"
    columns: "list[SuggestedColumn]"
    options: "list[ProblemTypeOptions]"
    time_limit_s: int


class TrainingColumn(TypedDict):
    """A column and its type."""

    column_name: str
    data_type: str


class TrainingDeleted(TypedDict):
    """A training, or its feature importance, that was deleted."""

    status_code: NotRequired[int]
    message: str


TrainingState = Literal["queued", "running", "succeeded", "failed", "cancelled", "deleted"]


class TuningRequest(TypedDict):
    """A search for hyperparameters."""

    trials: NotRequired[int]
    time_budget_s: NotRequired["float | None"]
    metric: NotRequired["str | None"]


class UpdateAnswer(TypedDict):
    """A model that was bound to another preprocessing."""

    data: str
    status_code: NotRequired[int]
    message: str


class UpdateRequest(TypedDict):
    """A model and the preprocessing that it is bound to."""

    train_id: int
    preprocess_id: int


class UpdateTemplate(TypedDict):
    """The next version of a template."""

    template_name: str
    template_schema: NotRequired["list[TemplateColumn] | None"]


class UpdateTenant(TypedDict):
    """Fields that are not sent stay as they are."""

    quota_bytes: NotRequired["int | None"]
    is_active: NotRequired[bool]


class UpdateUser(TypedDict):
    """Fields that are not sent stay as they are."""

    first_name: NotRequired["str | None"]
    last_name: NotRequired["str | None"]
    email: NotRequired["str | None"]
    is_active: NotRequired[bool]


class UploadAnswer(TypedDict):
    """The dataset that files were uploaded to, and the job that validates it."""

    dataset_id: int
    dataset_name: str
    data_source: str
    files: "list[FileRow]"
    job_id: str
    job_state: "JobState"
    state: Literal["validating", "valid", "invalid", "failed"]
    usage: Literal["t", "p"]
    template_id: "int | None"
    warnings: "list[WarningAnswer]"


class UserAnswer(TypedDict):
    """A user, without secrets."""

    id: int
    tenant_id: str
    first_name: "str | None"
    last_name: "str | None"
    email: "str | None"
    username: str
    is_active: bool
    roles: NotRequired[list[str]]


class UserList(TypedDict):
    """A page of users."""

    data: "list[UserAnswer]"
    count: int


class ValidationRequest(TypedDict):
    """How rows are held out."""

    holdout: NotRequired[float]
    folds: NotRequired["int | None"]
    group: NotRequired["str | None"]


class VersionAnswer(TypedDict):
    """One version of a template."""

    version: int
    template_name: str
    template_schema: "list[TemplateColumn]"
    created_by: str
    created_at: str


class VersionCalls(TypedDict):
    """The calls of a version in the last five minutes, by whatever way; they may be five seconds old."""

    requests: int
    errors: int
    p50_ms: "float | None"
    p99_ms: "float | None"


class VersionComparison(TypedDict):
    """What a version has answered.

    Each difference is the version's minus the baseline's, null for the baseline.
    """

    version: int
    train_id: int
    requests: int
    class_shares: "list[ClassShareAnswer] | None"
    mean: "float | None"
    standard_deviation: "float | None"
    mean_difference: "DifferenceAnswer | None"
    probability: "float | None"
    probability_difference: "DifferenceAnswer | None"
    actuals: int
    score: "float | None"
    score_difference: "DifferenceAnswer | None"
    recent_calls: "VersionCalls | None"
    error_rate_difference: "DifferenceAnswer | None"


class VersionList(TypedDict):
    """A page of the versions of a template."""

    total: int
    data: "list[VersionAnswer]"


class VersionRow(TypedDict):
    """A version of a predictor."""

    version: int
    train_id: int
    state: "TrainingState"
    algorithm: "str | None"
    metric: "str | None"
    metric_value: "float | None"
    is_champion: bool
    aliases: list[str]
    created_by: str
    created_at: str


class WarningAnswer(TypedDict):
    """What a user should know about data that was accepted."""

    code: str
    column: "str | None"
    message: str
    count: "int | None"
    examples: list[str]


class WrongCell(TypedDict):
    """A cell that breaks a rule."""

    file: str
    row: int
    column: str
    value: str
    rule: str
    reason: str


class WrongCellList(TypedDict):
    """A page of the wrong cells of a dataset."""

    total: int
    data: "list[WrongCell]"


class WrongField(TypedDict):
    """One wrong field of a request."""

    type: str
    loc: list[str | int]
    msg: str
