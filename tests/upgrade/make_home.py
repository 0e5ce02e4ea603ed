"""Make a small DATAML_HOME and record what the version that made it answers.

The script was run with dataml 0.1.0, by `python -m tests.upgrade.make_home` in a checkout of that version. It imports
modules under the names that they had there, and is kept to document its output, not to be run again. Keep the output,
`home-0.1.0.tar.gz` and `expected.json`, as it is: `test_old_home.py` uses it to prove that later versions read what
0.1.0 wrote. If a later version regenerates these files, the test proves nothing.

The script starts a platform without Ray and waits until every job has ended. It then restarts the platform without a
supervisor, so that the next jobs stay queued, and packs that home. The expected results of the queued jobs come from
running them, with the same version, on a copy of the home.
"""

import io
import json
import platform
import random
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from anyio.from_thread import start_blocking_portal
from dataml.dependencies import Services

from dataml import __version__
from dataml.access.tokens import TokenKeys
from dataml.app import create_app
from dataml.db.session import Database
from dataml.installation import ADMIN, prepare
from dataml.settings import Settings, load_settings
from dataml.storage.storage import Storage
from tests.client import PASSWORD, Client, wait_for_job
from tests.conftest import log_in
from tests.dataset.uploading import new_template, upload, uploaded
from tests.fakes import InProcessEndpoints, SupervisorThread
from tests.furnishing import new_role
from tests.inference.series import ROLES, SHOPS, columns_of, future_of, shop_rows
from tests.upgrade import home

MADE_WITH = "0.1.0"
ROWS = 96
DAYS = 70
CURVE_ROWS = 1_300
"""Rows of `curve()`; isotonic calibration needs 1,000 rows outside the test part."""
HORIZON = 4
SHAP_ROWS = 30
PLAIN = {"shop": "Id", "day": "Time", "sold": "Target", "rain": "Ignore"}
FILE_TIME = 1_735_689_600
"""Modification time of every packed file, 2025-01-01: the sweep of storage only considers folders older than a day."""
LIBRARIES = ("numpy", "lightgbm", "xgboost", "catboost", "onnxruntime", "scikit-learn", "statsforecast", "mlforecast")


class _NoSupervisor:
    """Replace the supervisor by nothing, so that new jobs stay queued."""

    async def notify(self) -> None:
        return

    def add(self, record: Any) -> None:
        return


@contextmanager
def serving(settings: Settings, *, supervised: bool) -> Iterator[Client]:
    """Serve this home and yield a client of its administrator. Without `supervised` no job runs."""
    supervisor = SupervisorThread(settings) if supervised else None
    jobs = supervisor or _NoSupervisor()
    database = Database(settings)
    endpoints = InProcessEndpoints(Storage.of(settings), jobs)
    app = create_app(Services(settings, database, TokenKeys.load(settings.key_file), jobs, endpoints))
    with start_blocking_portal() as portal:
        yield log_in(Client(app, portal), ADMIN)
        portal.call(database.close)
    if supervisor is not None:
        supervisor.stop()


@dataclass
class Made:
    """Collect what was made, under names that are local to this script."""

    datasets: dict[str, int] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)
    queued: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    to_explain: str = ""
    key: str = ""


def visits(rows: int, first: int = 0, *, known: bool = True) -> bytes:
    """Return a CSV file with a column of every type and some missing values.

    Args:
        rows: Number of rows.
        first: Number of the first row; it also seeds the values.
        known: Whether to add the targets `bought` and `kind`. Two rows then have an invalid cell.
    """
    dice = random.Random(first + 5)
    lines = ["id,age,colour,price,day,member,postcode" + (",bought,kind" if known else "")]
    for number in range(first, first + rows):
        age, colour = dice.randint(18, 80), dice.choice(["red", "green", "blue"])
        day, member = date(2024, 1, 1) + timedelta(days=number), dice.random() < 0.5
        price = 20 + age * 0.5 + (15 if colour == "red" else 0) + dice.gauss(0, 4)
        bought = (age > 50 or colour == "red") != (dice.random() < 0.15)
        kind = ["small", "medium", "large"][min(2, int((price + dice.gauss(0, 9)) // 22))]
        shown = "" if number % 17 == 3 else age
        postcode = dice.choice([10115, 20095, 80331])
        cells = [f"A{number}", shown, colour, f"{price:.2f}", day, str(member).lower(), postcode]
        targets = ["yes" if bought else "no", kind] if known else []
        lines.append(",".join(map(str, cells + targets)))
    if known:
        lines[5] = lines[5].replace(lines[5].split(",")[1], "old", 1)
        lines[9] = lines[9].replace(lines[9].split(",")[2], "mauve", 1)
    return ("\n".join(lines) + "\n").encode()


def curve() -> bytes:
    """Return a CSV file that is large enough for every calibration method and for a blend."""
    dice, noise = random.Random(3), random.Random(4)
    lines = ["x,y,left,tier"]
    for _ in range(CURVE_ROWS):
        x, y = dice.randint(0, 40), dice.randint(0, 9)
        left = "true" if dice.random() < 0.05 + 0.85 * (15 < x < 30) else "false"
        tier = min(2, max(0, int((x + 2 * y + noise.gauss(0, 8)) // 18)))
        lines.append(f"{x},{y},{left},{tier}")
    return ("\n".join(lines) + "\n").encode()


def make_users(client: Client, made: Made) -> Client:
    """Create users, a role, an API key and a second tenant; return a client of that tenant's administrator."""
    tenant = client.post("/login/test-token").json()["tenant_id"]
    role = new_role(client, "can_view", "can_train_models")
    clerk = {"tenant_id": tenant, "username": home.CLERK, "email": "clerk@example.com", "password": PASSWORD}
    made.answers.append(f"/users/{created(client, '/users/create-user', clerk | {'roles': ['analyst', role['name']]})}")
    branch = client.post("/tenants", json={"name": "branch"}).json()["id"]
    head = {"tenant_id": branch, "username": home.BRANCH_HEAD, "email": "head@example.com", "password": PASSWORD}
    created(client, "/users/create-user", head | {"roles": ["admin"]})
    made.key = client.post("/api-keys", json={"name": "of a service"}).json()["key"]
    return log_in(client, home.BRANCH_HEAD)


def created(client: Client, path: str, body: dict[str, Any]) -> int:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def make_template(client: Client) -> int:
    """Create a template and its second version, which uses every constraint."""
    template = new_template(client, id="String", age="Integer")
    age = {"column_name": "age", "data_type": "Integer", "default_value": "40", "minimum": 0, "maximum": 120}
    colour = {"column_name": "colour", "data_type": "String", "allowed_values": ["red", "green", "blue"]}
    columns = [
        {"column_name": "id", "data_type": "String", "pattern": "A[0-9]+", "unique": True, "nullable": False},
        age,
        colour | {"unseen": "refuse"},
        {"column_name": "price", "data_type": "Float", "nullable": False},
        {"column_name": "day", "data_type": "Date", "minimum": "2024-01-01"},
        {"column_name": "member", "data_type": "Boolean"},
        {"column_name": "postcode", "data_type": "Integer"},
        {"column_name": "bought", "data_type": "String"},
        {"column_name": "kind", "data_type": "String"},
    ]
    body = {"template_name": "visits", "template_schema": columns}
    answer = client.request("PUT", f"/template/update/{template}", json=body)
    assert answer.status_code == 200, answer.text
    return template


def make_datasets(client: Client, branch: Client, template: int, made: Made) -> None:
    """Upload every dataset that models, batches and queued jobs use, and wait until it is valid."""

    def add(name: str, *files: tuple[str, bytes], owner: Client = client, **query: Any) -> None:
        found = uploaded(owner, *files, name=name, **query)
        assert found["state"] == "valid", found
        made.datasets[name] = found["id"]

    table = {"iceberg_table_name": "visits", "raw_table_name": "visits"}
    add("visits", ("visits.csv", visits(ROWS)), template_id=template, **table)
    add("newer", ("newer.csv", visits(ROWS, 200)), template_id=template)
    add("curve", ("curve.csv", curve()))
    add("to predict", ("to predict.csv", visits(12, 500, known=False)), usage="p")
    semicolons = visits(30, 600).replace(b",", b";")
    add("two files", ("one.csv", visits(30, 300)), ("two.csv", semicolons))
    moments = [f"{n % 28 + 1:02}/03/2024,2024-03-01T{n % 24:02}:30:00Z,{n}" for n in range(40)]
    add("moments", ("moments.csv", "\n".join(["day,at,n", *moments]).encode()))
    add("strict", ("a.csv", b"n,m\n" + b"1,2\n" * 5), ("b.csv", b"n,m\n" + b"3,4\n" * 5), on_error="reject")
    add("shops", ("shops.csv", shop_rows(range(DAYS))))
    add("shop", ("shop.csv", shop_rows(range(DAYS), shops=SHOPS[:1])))
    add("observed", ("observed.csv", shop_rows(range(DAYS, DAYS + 5))))
    add("future", ("future.csv", shop_rows(range(DAYS, DAYS + 21), target=False)), usage="p")
    add("of the branch", ("visits.csv", visits(40)), owner=branch)


def train(client: Client, made: Made, dataset: str, name: str, **request: Any) -> dict[str, Any]:
    body = {"dataset_id": made.datasets[dataset], "predictor_name": name, "domain": "Tests"} | request
    answer = client.post("/train/", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def trained(client: Client, made: Made, dataset: str, name: str, **request: Any) -> dict[str, Any]:
    answer = train(client, made, dataset, name, **request)
    job = wait_for_job(client, answer["job_id"], 300)
    assert job["state"] == "succeeded", job
    made.answers.append(f"/inference/form-based-prediction?id={answer['id']}")
    model = {"name": name, "version": answer["version"], "train_id": answer["id"]}
    return model | {"preprocess_id": answer["preprocess_id"]}


def columns(target: str, **roles: str) -> list[dict[str, Any]]:
    given = {"id": "Id", target: "Target"} | roles
    return [{"column_name": name, "attribute_name": role} for name, role in given.items()]


FEW_ROUNDS = {"n_estimators": 12, "learning_rate": 0.3}
ROW = {"age": 61, "colour": "red", "price": 58.5, "day": "2024-02-03", "member": True, "postcode": 10115}
BOUGHT = {
    "problem_type": "Classification",
    "algorithm": "LightGBM",
    "columns": columns("bought", kind="Ignore"),
    "hyperparameters": FEW_ROUNDS | {"min_child_samples": 4},
}
PRICE_ROLES = [
    *columns("price", day="Time", bought="Ignore", kind="Ignore"),
    {"column_name": "postcode", "attribute_name": "Feature", "hint": "category"},
]
PRICE = {
    "problem_type": "Regression",
    "algorithm": "XGBoost",
    "columns": PRICE_ROLES,
    "hyperparameters": FEW_ROUNDS | {"max_depth": 3},
}
KIND = {
    "problem_type": "Classification",
    "algorithm": "auto",
    "columns": columns("kind", bought="Ignore", day="Ignore"),
    "hyperparameters": FEW_ROUNDS | {"max_depth": 3, "learning_rate": 0.6},
}
LEFT = {
    "problem_type": "Classification",
    "algorithm": "XGBoost",
    "columns": columns_of({"left": "Target", "tier": "Ignore"}),
    "hyperparameters": {"n_estimators": 2, "max_depth": 4, "learning_rate": 0.2},
}
TIER = {
    "problem_type": "Classification",
    "algorithm": "auto",
    "columns": columns_of({"tier": "Target", "left": "Ignore"}),
    "hyperparameters": {"n_estimators": 20, "max_depth": 2, "learning_rate": 0.6},
    "seed": 3,
}
COOL = {"hyperparameters": {"n_estimators": 3, "max_depth": 3, "learning_rate": 0.3}, "seed": 0}
SERIES = {"problem_type": "Forecast", "forecast": {"horizon": HORIZON, "windows": 2}, "columns": columns_of(PLAIN)}


def make_models(client: Client, made: Made) -> None:
    """Train a model of every library, a blend, a continuation, and one model for each calibration method."""
    rows = [ROW, ROW | {"age": 25, "colour": "green"}, ROW | {"age": None, "member": False, "day": "2024-04-01"}]
    points = [{"x": x, "y": 4} for x in (3, 14, 20, 35)]

    def add(dataset: str, name: str, request: dict[str, Any], made_of: set[str], calibration: str | None) -> None:
        model = trained(client, made, dataset, name, **request)
        summary = client.get("/train/model-summary", params={"train_id": model["train_id"]}).json()["model_summary"]
        assert made_of == {member["algorithm"] for member in summary["members"]}, summary["members"]
        assert calibration == (summary["calibration"] or {}).get("method"), summary["calibration"]
        form = client.get("/inference/form-based-prediction", params={"id": model["train_id"]}).json()
        names = {field["column_name"] for field in form["headers"]}
        asked = [{key: value for key, value in row.items() if key in names} for row in rows + points]
        asked = [row for row in asked if row.keys() == names]
        about = {"target": form["target"], "algorithms": sorted(made_of), "rows": asked}
        made.models[f"{name} {model['version']}"] = model | about

    add("visits", "bought", BOUGHT, {"LightGBM"}, None)
    add("newer", "bought", BOUGHT | {"is_incremental": True, "columns": []}, {"LightGBM"}, None)
    add("visits", "price", PRICE, {"XGBoost"}, None)
    add("visits", "kind", KIND, {"XGBoost"}, None)
    add("visits", "kind-catboost", KIND | {"algorithm": "CatBoost"}, {"CatBoost"}, None)
    add("curve", "tier", TIER, {"CatBoost", "LightGBM", "XGBoost"}, None)
    add("curve", "tier-cool", TIER | COOL, {"LightGBM"}, "temperature")
    add("curve", "left", LEFT, {"XGBoost"}, "sigmoid")
    add("curve", "left-stepped", LEFT | {"seed": 1}, {"XGBoost"}, "isotonic")


def make_series(client: Client, made: Made) -> None:
    """Train a forecast of every algorithm, one continuation and one blend."""
    days = range(DAYS, DAYS + HORIZON)

    def add(name: str, question: dict[str, Any], dataset: str = "shops", **request: Any) -> None:
        model = trained(client, made, dataset, name, **(SERIES | request))
        made.series[f"{name} {model['version']}"] = model | {"question": {"steps": HORIZON} | question}

    every = {"unique_ids": "all"}
    rainy = {"columns": columns_of(ROLES)}
    known = {"unique_ids": list(SHOPS), "future": future_of(days, *SHOPS), "explain": True}
    few = {"hyperparameters": {"n_estimators": 15, "num_leaves": 7, "learning_rate": 0.3}}
    add("lightgbm", known, algorithm="LightGBM", **rainy, **few)
    observed = {"unique_id": "north", "future": future_of(range(DAYS + 5, DAYS + 5 + HORIZON), "north")}
    add("lightgbm", observed, "observed", algorithm="LightGBM", is_incremental=True, columns=[], forecast=None)
    few = {"hyperparameters": {"n_estimators": 15, "max_depth": 3, "learning_rate": 0.3}}
    add("xgboost", every, algorithm="XGBoost", **few)
    add("ets", every, algorithm="AutoETS")
    add("arima", {"unique_id": "south", "future": future_of(days, "south")}, algorithm="AutoARIMA", **rainy)
    add("theta", every | {"level": 80.0}, algorithm="Theta")
    weekly = {"steps": 1, "frequency": "Week", "aggregate": "mean", "dataset_id": made.datasets["observed"]}
    add("naive", every | weekly, algorithm="SeasonalNaive")
    single = columns_of(PLAIN | {"shop": "Ignore"})
    fast = {"hyperparameters": {"n_estimators": 15, "max_depth": 3, "learning_rate": 0.3}}
    add("auto", {}, "shop", algorithm="auto", columns=single, **fast)


def make_results(client: Client, made: Made) -> None:
    """Make an explanation, statistics and a batch prediction of both kinds; list the calls that show them."""
    explained = made.models["left 1"]["train_id"]
    asked = client.post("/train/generate-feature-importance", params={"train_id": explained}).json()
    assert wait_for_job(client, asked["shap_job_id"])["state"] == "succeeded"
    described = {"dataset_id": made.datasets["visits"], "target": "bought"}
    asked = client.post("/dataset/generate_statistics", params=described).json()
    assert wait_for_job(client, asked["job_id"])["state"] == "succeeded"
    batches = [
        {"train_id": made.models["bought 1"]["train_id"], "dataset_id": made.datasets["to predict"], "explain": True},
        {"train_id": made.series["ets 1"]["train_id"], "forecast": {"steps": 3}},
    ]
    for batch in batches:
        asked = client.post("/inference/batchPrediction", json=batch).json()
        assert wait_for_job(client, asked["job_id"])["state"] == "succeeded"
        made.answers.append(f"/inference/result?prediction_id={asked['prediction_id']}")
        made.files.append(client.get(made.answers[-1]).json()["result_path"])
    visits = made.datasets["visits"]
    made.answers += [
        f"/dataset/get_dataset_by_id?dataset_id={visits}",
        f"/dataset/view?dataset_id={visits}&limit=3",
        f"/dataset/view?dataset_id={visits}&rows=set_aside",
        f"/dataset/error-report?dataset_id={visits}",
        f"/dataset/statistics?dataset_id={visits}",
        "/template/1",
        "/template/1/versions",
        f"/train/view-feature-importance?train_id={explained}",
        f"/train/{explained}",
        f"/train/model-summary?train_id={explained}",
        f"/train/download-schema/{explained}",
        f"/jobs/{asked['job_id']}",
    ]
    made.files.append(client.get("/files/list", params={"dataset_id": visits}).json()["data"][0]["file_path"])


class Queue:
    """Requests that leave a job in the queue."""

    def __init__(self, client: Client, branch: Client, made: Made) -> None:
        self._client = client
        self._branch = branch
        self._made = made

    def fill(self, template: int) -> None:
        """Queue jobs of every kind."""
        self._validations(template)
        self._trainings()
        made = self._made
        self._describe(made.datasets["newer"], target="kind")
        self._describe(made.datasets["moments"])
        self._explain(made.models["price 1"])
        self._explain(made.models["kind 1"])
        rows = made.datasets["to predict"]
        self._batch("score", made.models["price 1"], dataset_id=rows)
        self._batch("score", made.models["bought 2"], dataset_id=rows, explain=True, result_table="scores")
        asked = {"steps": 2, "frequency": "Week", "unique_ids": ["north", "west"], "level": 90.0, "aggregate": "mean"}
        more = {"dataset_id": made.datasets["future"], "explain": True, "result_table": "sold"}
        asked |= {"observations_id": made.datasets["observed"]}
        self._batch("forecast", made.series["lightgbm 1"], forecast=asked, **more)
        self._batch("forecast", made.series["ets 1"])

    def cancel_trainings(self) -> None:
        """Queue and cancel trainings that need a Ray cluster: only their payloads are of use."""
        searched = {"tuning": {"trials": 3, "time_budget_s": 60.0, "metric": "roc_auc"}}
        for name, more in (("searched", searched), ("on-two-workers", {"workers": 2})):
            job = train(self._client, self._made, "visits", name, **BOUGHT, **more)["job_id"]
            cancel(self._client, self._made, job)

    def _validations(self, template: int) -> None:
        table = {"iceberg_table_name": "later", "raw_table_name": "later", "lake_mode": "replace"}
        self._upload("queued", ("visits.csv", visits(40, 700)), template_id=template, **table)
        self._upload("queued files", ("a.csv", b"n;m\n1;2\n3;4\n"), ("b.csv", b"n,m\n5,6\n"))
        sink = io.BytesIO()
        pq.write_table(pa.table({"n": list(range(30)), "t": [f"t{n % 3}" for n in range(30)]}), sink)
        self._upload("queued parquet", ("c.parquet", sink.getvalue()), usage="p")
        self._upload("queued of the lake", iceberg_table_name="silver.visits")
        answer = upload(self._branch, ("visits.csv", visits(40)), name="queued of the branch").json()
        self._add("validate", answer["dataset_id"], answer["job_id"], user=home.BRANCH_HEAD)
        # An upload with on_error=reject would wait for its job; removing a file does not.
        strict = self._made.datasets["strict"]
        file = self._client.get("/files/list", params={"dataset_id": strict}).json()["data"][0]
        answer = self._client.request("DELETE", f"/files/delete/{file['id']}").json()
        self._add("validate", strict, answer["job_id"])

    def _trainings(self) -> None:
        self._made.to_explain = self._train("newer", "queued-bought", **BOUGHT, shap_enabled=True, seed=7)
        split = {"holdout": 0.25, "folds": 2, "group": "colour"}
        no_time = [
            each | {"attribute_name": "Ignore"} if each["column_name"] == "day" else each for each in PRICE_ROLES
        ]
        self._train("newer", "queued-price", **(PRICE | {"columns": no_time}), validation=split)
        self._train("newer", "price", **PRICE, new_version=True)
        self._train("newer", "bought", **(BOUGHT | {"columns": []}), is_incremental=True)
        options = {"horizon": 5, "frequency": "Day", "season_length": 7, "fill": "linear", "windows": 2}
        lightgbm = {"algorithm": "LightGBM", "hyperparameters": {"n_estimators": 10, "num_leaves": 7}}
        rainy = {"columns": columns_of(ROLES), "forecast": options}
        self._train("shops", "queued-sold", **(SERIES | rainy | lightgbm))
        self._train("shops", "queued-ets", **SERIES, algorithm="AutoETS")
        self._train("observed", "theta", **(SERIES | {"columns": [], "forecast": None}), is_incremental=True)

    def _upload(self, name: str, *files: tuple[str, bytes], **query: Any) -> None:
        answer = upload(self._client, *files, name=name, **query)
        assert answer.status_code == 201, answer.text
        self._add("validate", answer.json()["dataset_id"], answer.json()["job_id"])

    def _describe(self, dataset_id: int, **query: str) -> None:
        answer = self._post("/dataset/generate_statistics", params={"dataset_id": dataset_id} | query)
        self._add("describe", dataset_id, answer["job_id"])

    def _train(self, dataset: str, name: str, **request: Any) -> str:
        answer = train(self._client, self._made, dataset, name, **request)
        self._add("train", answer["id"], answer["job_id"])
        return answer["job_id"]

    def _explain(self, model: dict[str, Any]) -> None:
        answer = self._post("/train/generate-feature-importance", params={"train_id": model["train_id"]})
        self._add("explain", model["train_id"], answer["shap_job_id"])

    def _batch(self, kind: str, model: dict[str, Any], **request: Any) -> None:
        answer = self._post("/inference/batchPrediction", json={"train_id": model["train_id"]} | request)
        self._add(kind, answer["prediction_id"], answer["job_id"])

    def _post(self, path: str, **request: Any) -> dict[str, Any]:
        answer = self._client.post(path, **request)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def _add(self, kind: str, subject_id: int, job_id: str, user: str = ADMIN) -> None:
        self._made.queued[job_id] = {"kind": kind, "subject_id": subject_id, "user": user}


def cancel(client: Client, made: Made, job_id: str) -> None:
    """Cancel a queued job and remember it."""
    answer = client.post("/ray/terminate_ray_job", params={"ray_job_id": job_id})
    assert answer.status_code == 200, answer.text
    made.cancelled.append(job_id)


def cancel_distributed(settings: Settings, made: Made) -> None:
    """Queue and cancel a validation that Ray Data would run."""
    with serving(settings.model_copy(update={"distributed_bytes": 0}), supervised=False) as client:
        cancel(client, made, upload(client, ("a.csv", b"n\n1\n"), name="distributed").json()["job_id"])


def finish(settings: Settings) -> None:
    """Remove the lake, whose metadata has absolute paths, and shrink the database to one small file."""
    shutil.rmtree(settings.lake_root)
    with closing(sqlite3.connect(settings.root / "dataml.db")) as database:
        # The longest life that the API allows is five years, which the test should outlast.
        database.execute("UPDATE api_key SET expires_at = '2999-12-31 00:00:00.000000'")
        database.commit()
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("VACUUM")


def pack(root: Path) -> None:
    """Write the archive. Files with the same name are neighbours in it because that compresses better."""
    files = sorted((path for path in root.rglob("*") if path.is_file()), key=lambda path: (path.name, path))
    folders = sorted(path for path in root.rglob("*") if path.is_dir())
    with tarfile.open(home.ARCHIVE, "w:gz", compresslevel=9) as archive:
        for path in folders + files:
            archive.add(path, path.relative_to(root), recursive=False, filter=_anonymous)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = FILE_TIME
    return entry


def record(client: Client, made: Made) -> dict[str, Any]:
    """Return what this version answers about everything that has ended."""
    return {
        "made_with": __version__,
        "machine": platform.machine(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "api_key": made.key,
        "models": [
            each | home.report(client, each) | {"answers": home.predictions(client, each)}
            for each in made.models.values()
        ],
        "series": [
            each | home.report(client, each) | {"forecast": home.forecast(client, each)}
            for each in made.series.values()
        ],
        "explained": made.models["left 1"]["train_id"],
        "explanation": home.explanation(client, made.models["left 1"]["train_id"]),
        "answers": {path: home.answer(client, path) for path in made.answers},
        "files": {path: home.content_sha256(client, f"/files/download?file_path={path}") for path in made.files},
    }


def run_queue(settings: Settings, made: Made) -> dict[str, Any]:
    """Run the queued jobs with this version and return how each of them ends."""
    ended = {}
    with serving(settings, supervised=True) as client:
        for job_id, job in made.queued.items():
            user = log_in(client, job["user"])
            end = wait_for_job(user, job_id, 300)
            code = end["error"]["code"] if end["error"] else None
            found = home.outcome(user, job["kind"], job["subject_id"])
            ended[job_id] = job | {"state": end["state"], "code": code, "found": found}
            print(job_id, end["state"], code)
    return ended


def _in_lines(expected: dict[str, Any]) -> str:
    """Render JSON with one line for each model, answer and job."""

    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    parts = []
    for key, value in expected.items():
        found = line(value)
        if isinstance(value, list):
            found = "[\n" + ",\n".join(f"  {line(each)}" for each in value) + "\n ]"
        elif isinstance(value, dict):
            found = "{\n" + ",\n".join(f"  {line(name)}: {line(each)}" for name, each in value.items()) + "\n }"
        parts.append(f" {line(key)}: {found}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Write the archive and the expected answers next to this script."""
    assert __version__ == MADE_WITH, f"this is dataml {__version__}"
    with tempfile.TemporaryDirectory() as folder:
        options = {"admin_password": PASSWORD, "shap_sample_rows": SHAP_ROWS}
        settings = load_settings(home=Path(folder) / "home", **options)
        prepare(settings)
        made = Made()
        with serving(settings, supervised=True) as client:
            branch = make_users(client, made)
            template = make_template(client)
            make_datasets(client, branch, template, made)
            make_models(client, made)
            make_series(client, made)
            make_results(client, made)
            expected = record(client, made)
        with serving(settings, supervised=False) as client:
            queue = Queue(client, log_in(client, home.BRANCH_HEAD), made)
            queue.fill(template)
            queue.cancel_trainings()
        cancel_distributed(settings, made)
        finish(settings)
        pack(settings.root)
        copy = load_settings(home=Path(folder) / "copy", **options)
        shutil.copytree(settings.root, copy.root)
        expected |= {"queued": run_queue(copy, made), "cancelled": made.cancelled, "to_explain": made.to_explain}
    home.EXPECTED.write_text(_in_lines(expected))
    print(f"{home.ARCHIVE.stat().st_size:,} bytes of home, {home.EXPECTED.stat().st_size:,} bytes of answers")


if __name__ == "__main__":
    main()
