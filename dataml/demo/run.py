"""`dataml demo`: starts a platform where none runs, and runs two examples over HTTP, churn and a forecast."""

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Literal

import httpx

from dataml.client.progress import ReportProgress
from dataml.client.sync.connection import Client, connect
from dataml.client.sync.datasets import Dataset
from dataml.client.sync.models import Model
from dataml.demo import forecast
from dataml.demo.forecast import ForecastDemo
from dataml.demo.screen import Screen
from dataml.demo.steps import StepFailed, wait_until
from dataml.errors import StartupError
from dataml.installation import ADMIN_PASSWORD_FILE, password_hint
from dataml.settings import Settings
from deployments import platform

DATA: Final = Path(__file__).parents[2] / "examples" / "data" / "telecom_churn.csv"
ID, TARGET = "customer_id", "churn"
Usage = Literal["training", "prediction"]
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
            password = _password(settings)
            with connect(url, username="admin", password=password, on_call=screen.show_call) as dm:
                ChurnDemo(dm, screen, Path(folder)).run()
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

    def __init__(self, dm: Client, screen: Screen, folder: Path) -> None:
        self._dm = dm
        self._screen = screen
        self._folder = folder
        # Names are unique in a tenant, and the demo can run again.
        self._name = f"demo-churn-{time.time_ns() // 1_000_000}"
        with DATA.open(newline="") as file:
            self._rows = list(csv.DictReader(file))
        self._columns = list(self._rows[0])

    def run(self) -> None:
        """Run all steps in their order.

        Raises:
            StepFailed: One of the steps failed; it has been printed already.
        """
        self._log_in()
        training_set = self._upload("dataset", DATA, "training", self._columns)
        self._describe(training_set)
        model = self._train(training_set)
        self._explain(model)
        self._predict(model)
        unlabelled = [column for column in self._columns if column != TARGET]
        to_score = self._upload("dataset to score", self._write_without_target(unlabelled), "prediction", unlabelled)
        self._score(model, to_score)
        ForecastDemo(self._dm, self._screen, self._folder, self._name, self._upload).run()

    def _log_in(self) -> None:
        with self._screen.step("log in") as step:
            step.result = f"as {self._dm.whoami()['username']}"

    def _upload(self, noun: str, path: Path, usage: Usage, columns: list[str]) -> Dataset:
        """Create a template for these columns, upload the file, wait until it is valid, and return the dataset."""
        name = f"{self._name}-{path.stem}-{usage[0]}"
        with self._screen.step(f"template of the {noun}") as step:
            schema = [{"column_name": column, "data_type": _data_type(column)} for column in columns]
            template = self._dm.templates.create(name, schema)
            step.result = f"{len(columns)} columns, id {template.id}"
        with self._screen.step(noun) as step:
            dataset = self._dm.datasets.upload(
                path, name, usage=usage, template=template.id, progress=step.report_progress
            )
            kept, total = dataset.info["kept_records"], dataset.info["total_records"]
            step.result = f"{kept:,} of {total:,} rows kept, {dataset.state}"
            if not dataset.is_valid:
                raise StepFailed(f"the dataset is {dataset.state}: {dataset.info['error_summary']}")
        return dataset

    def _describe(self, dataset: Dataset) -> None:
        with self._screen.step("statistics") as step:
            column = dataset.statistics(progress=step.report_progress)["columns"]["total_charges"]
            step.result = f"total_charges: mean {column['mean']:,.2f}, {column['missing']} missing"

    def _train(self, dataset: Dataset) -> Model:
        with self._screen.step("train") as step:
            model = self._dm.train(
                dataset,
                TARGET,
                id=ID,
                name=self._name,
                domain="Churn",
                explain=True,
                problem_type="Classification",
                progress=step.report_progress,
            )
            held_out = (model.info["summary"] or {})["rows"]["test"]
            scores = f"ROC AUC {model.metrics['roc_auc']:.3f}, accuracy {model.metrics['accuracy']:.3f}"
            step.result = f"{model.info['model']}, {scores} on {held_out:,} held-out rows"
        return model

    def _explain(self, model: Model) -> None:
        with self._screen.step("feature importance") as step:
            importance = model.importance(progress=step.report_progress)
            step.result = ", ".join(f"{name} {share:.0%}" for name, share in list(importance.items())[:3])

    def _predict(self, model: Model) -> None:
        row = self._rows[0]
        features = {name: _PARSERS[_data_type(name)](text) for name, text in row.items() if name not in (ID, TARGET)}
        with self._screen.step("predict by id") as step:
            answer: dict[str, Any] = model.predict(features)
            chance = answer[f"probability_{answer['prediction']}"]
            step.result = f"{row[ID]}: churn {answer['prediction']}, probability {chance:.3f}"
        with self._screen.step("predict by name") as step:
            again: Any = self._dm.api.predict_by_name("default", model.info["url_name"], {"features": features})
            if again["probability"] != chance:
                raise StepFailed(f"the two routes disagree: {chance}, {again['probabilities']}")
            step.result = "the same prediction by the model's own route"

    def _write_without_target(self, columns: list[str]) -> Path:
        path = self._folder / "customers.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self._rows)
        return path

    def _score(self, model: Model, dataset: Dataset) -> None:
        with self._screen.step("predict in batch") as step:
            batch = self._dm.api.start_batch_prediction({"train_id": model.id, "dataset_id": dataset.id})
            self._dm.jobs.wait(batch["job_id"], progress=step.report_progress)
            result = self._dm.api.get_batch_result(prediction_id=batch["prediction_id"])
            step.result = f"{result['no_of_records']:,} rows, {result['failed_records']} failed"
        with self._screen.step("download") as step:
            lines = self._dm.api.download_file(file_path=result["result_path"]).decode().splitlines()
            if len(lines) != len(self._rows) + 1:
                raise StepFailed(f"the result has {len(lines) - 1:,} rows instead of {len(self._rows):,}")
            step.result = f"{len(lines) - 1:,} rows; {lines[0]}: {lines[1]}"


def _data_type(column: str) -> str:
    if column in forecast.COLUMNS:
        return forecast.data_type(column)
    return "Integer" if column in _INTEGERS else "Float" if column in _FLOATS else "String"
