"""The house has floors, and imports go down only; read from the source, so that a new file cannot slip past."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FEATURES = ("access", "audit", "template", "dataset", "train", "inference", "datalake")
JOB_BODIES = ("validate", "describe", "train", "train_forecast", "explain", "score", "forecast")
MODULES = sorted(path for folder in ("dataml", "deployments") for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def floor(module: str) -> int:
    """The floor a module lives on, by its name."""
    parts = module.split(".")
    if parts[0] == "deployments" or module in ("dataml.cli", "dataml.demo"):
        return 4
    if module == "dataml" or parts[1] in ("settings", "errors", "wire"):
        return 0
    if parts[1] in ("db", "ml", "lake", "storage") or module in ("dataml.jobs", "dataml.jobs.spec"):
        return 1
    if parts[1] == "jobs":
        upstairs = ("supervisor", "worker", "routes", "outcomes", "sweep")
        return 3 if parts[2] in upstairs else 2
    if parts[1] in FEATURES:
        return 3 if len(parts) > 2 and parts[2].endswith(("routes", "files", "realtime")) else 2
    return 3


def imports(path: Path) -> set[str]:
    """Modules that a file imports anywhere, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {module_name(p) for p in MODULES}
            found |= (submodules & known) or {node.module}
    return found


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] in ("dataml", "deployments")}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_go_down_only(path: Path) -> None:
    here = floor(module_name(path))
    if "migrations" in path.parts:
        pytest.skip("alembic's entry gathers the tables of every feature")
    up = {name for name in ours(path) if floor(name) > here}
    assert not up, f"{module_name(path)} (floor {here}) imports upwards: {sorted(up)}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_ray_is_imported_only_where_things_run_on_it(path: Path) -> None:
    imports_ray = any(name.split(".")[0] == "ray" for name in imports(path))
    name = module_name(path)
    assert not imports_ray or name.startswith(("dataml.jobs.", "deployments.")) or name == "dataml.cli"


@pytest.mark.parametrize("body", JOB_BODIES)
def test_a_job_body_never_touches_the_database(body: str) -> None:
    names = ours(ROOT / "dataml" / "jobs" / f"{body}.py")
    assert not {name for name in names if name.startswith("dataml.db") or name.endswith((".models", ".service"))}


@pytest.mark.parametrize("path", sorted((ROOT / "dataml" / "ml").rglob("*.py")), ids=module_name)
def test_ml_is_pure(path: Path) -> None:
    heavy = ("ray", "sqlalchemy", "fastapi", "starlette", "httpx", "aiosqlite")
    assert not {name for name in imports(path) if name.split(".")[0] in heavy}


@pytest.mark.parametrize("path", sorted((ROOT / "dataml" / "lake").glob("*.py")), ids=module_name)
def test_the_lake_of_the_jobs_is_pure(path: Path) -> None:
    """Job bodies write to it and the API reads from it: it knows neither Ray nor HTTP nor the platform's database."""
    heavy = ("ray", "fastapi", "starlette", "httpx", "aiosqlite")
    names = imports(path)
    assert not {name for name in names if name.split(".")[0] in heavy or name.startswith("dataml.db")}
    of_sqlalchemy = {name for name in names if name.split(".")[0] == "sqlalchemy"}
    assert of_sqlalchemy <= {"sqlalchemy.exc"}, "the catalog's complaints, and nothing else"


@pytest.mark.parametrize("path", sorted((ROOT / "dataml" / "storage").glob("*.py")), ids=module_name)
def test_storage_is_pure(path: Path) -> None:
    """Calls, job bodies and model hosts all use it: it knows neither Ray nor HTTP nor the platform's database."""
    heavy = ("ray", "sqlalchemy", "fastapi", "starlette", "httpx", "aiosqlite")
    assert not {name for name in imports(path) if name.split(".")[0] in heavy or name.startswith("dataml.db")}


def test_except_exception_stands_in_one_place_only() -> None:
    broad = {
        module_name(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    }
    assert broad <= {"dataml.jobs.execution"}


def test_models_are_never_pickled() -> None:
    pickling = ("pickle", "joblib", "cloudpickle", "dill")
    assert not [p for p in MODULES if any(name.split(".")[0] in pickling for name in imports(p))]
