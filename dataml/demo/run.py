"""`dataml demo`: starts a platform where none runs, and runs two examples over HTTP, churn and a forecast."""

import csv
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx

from dataml.demo import forecast
from dataml.demo.client import DemoClient, ReportProgress, StepFailed, wait_until
from dataml.demo.forecast import ForecastDemo
from dataml.demo.screen import Screen
from dataml.errors import StartupError
from dataml.installation import ADMIN_PASSWORD_FILE, password_hint
from dataml.settings import Settings
from deployments import platform

DATA: Final = Path(__file__).parents[2] / "examples" / "data" / "telecom_churn.csv"
ID, TARGET = "customer_id", "churn"
START_TIMEOUT_S: Final = 240.0
EXIT_INTERRUPTED = 130
_LOG_LINES: Final = 20
_PARSERS: Final = {"String": str, "Integer": int, "Float": float}
_INTEGERS: Final = {"female", "senior_citizen", "partner", "dependents", "tenure", "phone_service", "paperless_billing"}
_FLOATS: Final = {"monthly_charges", "total_charges"}


def run_demo(settings: Settings, *, once: bool, verbose: bool) -> int:
    """Run the whole demo, and return the exit code: 0 when every step succeeded, 1 when one failed.

    With `once`, a platform that this demo has started is stopped at the end in any case.

    Raises:
        StartupError: the example data is missing, or the platform cannot start.
    """
    if not DATA.exists():
        raise StartupError(f"the demo's data {DATA} is missing; run the demo from a clone of the repository")
    record = platform.find_running(settings.root)
    host, port = (record.host, record.port) if record else (settings.host, settings.port)
    url = f"http://{_connect_address(host)}:{port}"
    screen = Screen(verbose=verbose)
    try:
        with screen.step("platform") as step:
            if record is None:
                _start(settings, url, step.report_progress)
            wait_until(lambda: _is_healthy(url), START_TIMEOUT_S, "the start of the platform")
            step.result = f"{'runs already' if record else 'started'} at {url}"
        with tempfile.TemporaryDirectory(prefix="dataml-demo-") as folder:
            ChurnDemo(url, screen, Path(folder)).run(_password(settings))
    except StepFailed:
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        if once and record is None:
            platform.stop(settings.root)
            print("The platform is stopped.")
        elif platform.find_running(settings.root):
            print(
                f"\nAPI docs: {url}/docs ({password_hint(settings)})\nThe platform keeps running; `make down` stops it."
            )
    return 0


def _start(settings: Settings, url: str, report_progress: ReportProgress) -> None:
    """Start `dataml up` in a session of its own, and wait until the platform responds.

    Raises:
        StartupError: the port is taken or the log cannot be written.
        StepFailed: the platform ended or took too long; the message has the end of its log.
    """
    platform.check_port(settings.host, settings.port)
    path = settings.root / "logs" / "up.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = path.open("wb")
    except OSError as error:
        raise StartupError(f"DATAML_HOME {settings.root} cannot be written: {error.strerror}") from error
    report_progress(None, "starting Ray and the API")
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dataml.cli", "up"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def is_up() -> bool:
        if process.poll() is not None:
            raise StepFailed(f"the platform ended with exit code {process.returncode}")
        return _is_healthy(url)

    has_started = False
    try:
        wait_until(is_up, START_TIMEOUT_S, "the start of the platform")
        has_started = True
    except StepFailed as error:
        raise StepFailed(f"{error}; the end of {path}:\n{_tail(path)}") from error
    finally:
        if not has_started:
            platform.stop(settings.root)


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/utils/health-check/", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _connect_address(host: str) -> str:
    """Return an address at which a server that listens on `host` can be called."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def _tail(path: Path) -> str:
    return "\n".join(f"    {line}" for line in path.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _password(settings: Settings) -> str:
    if settings.admin_password is not None:
        return settings.admin_password.get_secret_value()
    path = settings.root / ADMIN_PASSWORD_FILE
    if not path.exists():
        raise StartupError("the demo logs in as admin: set DATAML_ADMIN_PASSWORD to the password of this platform")
    return path.read_text().strip()


class ChurnDemo:
    """The churn example, step by step, followed by the forecast example."""

    def __init__(self, url: str, screen: Screen, folder: Path) -> None:
        self._api = DemoClient(url, screen.show_call)
        self._screen = screen
        self._folder = folder
        # Names are unique in a tenant, and the demo can run again.
        self._name = f"demo-churn-{time.time_ns() // 1_000_000}"
        with DATA.open(newline="") as file:
            self._rows = list(csv.DictReader(file))
        self._columns = list(self._rows[0])

    def run(self, password: str) -> None:
        """Run all steps in their order.

        Raises:
            StepFailed: One of the steps failed; it has been printed already.
        """
        with closing(self._api):
            self._run_steps(password)

    def _run_steps(self, password: str) -> None:
        self._log_in(password)
        training_set = self._upload("dataset", DATA, "t", self._columns)
        self._describe(training_set)
        train_id, preprocess_id = self._train(training_set)
        self._explain(train_id)
        self._predict(train_id, preprocess_id)
        unlabelled = [column for column in self._columns if column != TARGET]
        to_score = self._upload("dataset to score", self._write_without_target(unlabelled), "p", unlabelled)
        self._score(train_id, to_score)
        ForecastDemo(self._api, self._screen, self._folder, self._name, self._upload).run()

    def _log_in(self, password: str) -> None:
        with self._screen.step("log in") as step:
            self._api.log_in("admin", password)
            user = self._api.post("/api/v1/login/test-token")
            step.result = f"as {user['username']}"

    def _upload(self, noun: str, path: Path, usage: str, columns: list[str]) -> int:
        """Create a template for these columns, upload the file, wait until it is valid, and return the dataset's id."""
        name = f"{self._name}-{path.stem}-{usage}"
        with self._screen.step(f"template of the {noun}") as step:
            schema = [{"column_name": column, "data_type": _data_type(column)} for column in columns]
            body = {"template_name": name, "template_schema": schema}
            template_id = self._api.post("/api/v1/template/", body)["id"]
            step.result = f"{len(columns)} columns, id {template_id}"
        with self._screen.step(noun) as step:
            query = {"dataset_name": name, "usage": usage, "template_id": template_id}
            uploaded = self._api.upload("/api/v1/dataset/upload", path, **query)
            self._api.wait_for_job(uploaded["job_id"], step.report_progress)
            dataset_id = uploaded["dataset_id"]
            dataset = self._api.get("/api/v1/dataset/get_dataset_by_id", dataset_id=dataset_id)
            step.result = f"{dataset['kept_records']:,} of {dataset['total_records']:,} rows kept, {dataset['state']}"
            if not dataset["is_valid"]:
                raise StepFailed(f"the dataset is {dataset['state']}: {dataset['error_summary']}")
        return dataset_id

    def _describe(self, dataset_id: int) -> None:
        with self._screen.step("statistics") as step:
            job_id = self._api.post("/api/v1/dataset/generate_statistics", dataset_id=dataset_id)["job_id"]
            self._api.wait_for_job(job_id, step.report_progress)
            statistics = self._api.get("/api/v1/dataset/statistics", dataset_id=dataset_id)["statistics"]
            column = statistics["columns"]["total_charges"]
            step.result = f"total_charges: mean {column['mean']:,.2f}, {column['missing']} missing"

    def _train(self, dataset_id: int) -> tuple[int, int]:
        with self._screen.step("train") as step:
            roles = {ID: "Id", TARGET: "Target"}
            body = {
                "dataset_id": dataset_id,
                "predictor_name": self._name,
                "domain": "Churn",
                "problem_type": "Classification",
                "columns": [{"column_name": column, "attribute_name": role} for column, role in roles.items()],
                "algorithm": "auto",
                "shap_enabled": True,
            }
            training = self._api.post("/api/v1/train/", body)
            self._api.wait_for_job(training["job_id"], step.report_progress)
            result = self._api.get("/api/v1/train/model-summary", train_id=training["id"])
            summary, held_out = result["model_summary"], sum(map(sum, result["confusion_matrix"]))
            scores = f"ROC AUC {summary['metrics']['roc_auc']:.3f}, accuracy {summary['accuracy']:.3f}"
            step.result = f"{summary['model']}, {scores} on {held_out:,} held-out rows"
        return training["id"], training["preprocess_id"]

    def _explain(self, train_id: int) -> None:
        with self._screen.step("feature importance") as step:
            path = "/api/v1/train/view-feature-importance"
            explanation = self._api.poll(path, lambda answer: answer["status"] != "running", train_id=train_id)
            if explanation["status"] != "completed":
                raise StepFailed(f"the feature importance is {explanation['status']}: {explanation['error']}")
            largest = sorted(explanation["feature_importance"].items(), key=lambda item: -item[1])[:3]
            step.result = ", ".join(f"{name} {share:.0%}" for name, share in largest)

    def _predict(self, train_id: int, preprocess_id: int) -> None:
        row = self._rows[0]
        features = {name: _PARSERS[_data_type(name)](text) for name, text in row.items() if name not in (ID, TARGET)}
        with self._screen.step("predict by id") as step:
            body = {"train_id": train_id, "preprocess_id": preprocess_id, "features": features, "target": TARGET}
            answer = self._api.post("/api/v1/inference/", body)
            step.result = f"{row[ID]}: churn {answer['prediction']}, probability {answer['probability']:.3f}"
        with self._screen.step("predict by name") as step:
            again = self._api.post(f"/models/default/{self._name}/predict", {"features": features})
            if again["probabilities"] != answer["probabilities"]:
                raise StepFailed(f"the two routes disagree: {answer['probabilities']}, {again['probabilities']}")
            step.result = "the same prediction by the model's own route"

    def _write_without_target(self, columns: list[str]) -> Path:
        path = self._folder / "customers.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self._rows)
        return path

    def _score(self, train_id: int, dataset_id: int) -> None:
        with self._screen.step("predict in batch") as step:
            body = {"train_id": train_id, "dataset_id": dataset_id}
            batch = self._api.post("/api/v1/inference/batch-prediction", body)
            self._api.wait_for_job(batch["job_id"], step.report_progress)
            result = self._api.get("/api/v1/inference/result", prediction_id=batch["prediction_id"])
            step.result = f"{result['no_of_records']:,} rows, {result['failed_records']} failed"
        with self._screen.step("download") as step:
            lines = self._api.text("/api/v1/files/download/", file_path=result["result_path"]).splitlines()
            if len(lines) != len(self._rows) + 1:
                raise StepFailed(f"the result has {len(lines) - 1:,} rows instead of {len(self._rows):,}")
            step.result = f"{len(lines) - 1:,} rows; {lines[0]}: {lines[1]}"


def _data_type(column: str) -> str:
    if column in forecast.COLUMNS:
        return forecast.data_type(column)
    return "Integer" if column in _INTEGERS else "Float" if column in _FLOATS else "String"
