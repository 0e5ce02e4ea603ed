"""The export of a predictor: a ZIP file with its bundle, a scorer that needs no platform, and an MLflow model.

The scorer and the MLflow model read contract.json and preprocess.json as the platform does, and load the boosters'
native files; nothing in the file is pickled.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO, Final

from dataml import __version__
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.ml.boosters.hyperparameters import LIBRARIES
from dataml.ml.bundle.manifest import (
    CONTRACT_FILE,
    FEATURE_ROLES,
    MANIFEST_FILE,
    PREPROCESS_FILE,
    Manifest,
    read_file,
    read_manifest,
    to_json_bytes,
)
from dataml.ml.export.templates import FORECAST_README, LOADER, README
from dataml.ml.labels import to_label

MLFLOW: Final = "mlflow"
THRESHOLD_FILE: Final = "threshold.json"
"""The decision threshold that is kept with a model. It is not in the manifest, whose hash the platform has recorded."""
_PYTHON: Final = "3.11"
# Plain Python, which imports nothing of the platform but each other.
_VALUE_MODULES: Final = ("months", "periods", "numbers", "time_zones", "dates", "value_format", "values")
# Only texts have their own type in a signature, for MLflow's other checks refuse whole numbers where a Float is wanted,
# numbers with gaps where an Integer is, and written dates; the scorer reads them all.
_ANY_TYPE: Final = "any"


def write_archive(directory: Path, name: str, target: BinaryIO, threshold: float | None = None) -> None:
    """Write the ZIP file of a bundle, verified file by file.

    The same bundle gives the same bytes with the same threshold.

    Args:
        directory: the bundle.
        name: the name of the predictor.
        target: a file to write to.
        threshold: the decision threshold that is kept with a model of two classes.

    Raises:
        BundleDamaged: a file is absent or was changed.
    """
    manifest = read_manifest(directory)
    moment = tuple(int(part) for part in manifest.created_at[:19].replace("T", "-").replace(":", "-").split("-"))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in _files(directory, manifest, name, threshold):
            entry = zipfile.ZipInfo(path, moment)  # type: ignore[arg-type]
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


def _files(directory: Path, manifest: Manifest, name: str, threshold: float | None) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each file."""
    if manifest.problem_type == "Forecast":
        yield from _forecast_files(directory, manifest, name)
        return
    package, modules = _value_modules()
    scorer = _read_source("dataml.ml.export", "standalone_scorer.py", package)
    yield "README.md", README.format(name=name, model=manifest.model, target=manifest.target).encode()
    contract = Contract.from_json(json.loads(read_file(directory, manifest, CONTRACT_FILE)))
    requirements = _requirements(manifest, contract)
    yield "requirements.txt", "".join(f"{line}\n" for line in requirements).encode()
    yield "scorer.py", scorer
    for module, source in modules.items():
        yield f"{package}/{module}", source
    yield MANIFEST_FILE, to_json_bytes(manifest.to_json())
    for file in manifest.files:
        yield file, read_file(directory, manifest, file)
    if threshold is not None:
        content = to_json_bytes({"threshold": threshold})
        yield THRESHOLD_FILE, content
        yield f"{MLFLOW}/data/{THRESHOLD_FILE}", content
    code = {f"{package}/{module}": source for module, source in modules.items()}
    yield from _mlflow_files(directory, manifest, contract, scorer, code)


def _value_modules() -> tuple[str, dict[str, bytes]]:
    """Return the modules that parse a value, as a package, and its name.

    Python keeps one module of a name, and models of different versions may be loaded side by side.
    """
    sources = {f"{name}.py": _read_source("dataml.contract", f"{name}.py", "PACKAGE") for name in _VALUE_MODULES}
    package = f"dataml_values_{hashlib.sha256(b''.join(sources.values())).hexdigest()[:8]}"
    modules = {name: source.replace(b"PACKAGE", package.encode()) for name, source in sources.items()}
    return package, {"__init__.py": b""} | modules


def _read_source(package: str, file: str, target: str) -> bytes:
    """Return the source of a module that imports from `target` instead of the contract."""
    source = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return source.replace("from dataml.contract.", f"from {target}.").encode()


def _forecast_files(directory: Path, manifest: Manifest, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the bundle as it is.

    The platform's own package forecasts with it, which runs without the platform.
    """
    text = FORECAST_README.format(name=name, model=manifest.model, target=manifest.target)
    yield "README.md", text.encode()
    yield "requirements.txt", f"dataml=={__version__}\n".encode()
    yield MANIFEST_FILE, to_json_bytes(manifest.to_json())
    for file in manifest.files:
        yield file, read_file(directory, manifest, file)


def _mlflow_files(
    directory: Path, manifest: Manifest, contract: Contract, scorer: bytes, code: Mapping[str, bytes]
) -> Iterator[tuple[str, bytes]]:
    """Yield an MLflow model (https://mlflow.org/docs/latest/ml/model/) with its data, code and environments."""
    import yaml

    yield f"{MLFLOW}/data/{MANIFEST_FILE}", to_json_bytes(manifest.to_json())
    for file in [CONTRACT_FILE, PREPROCESS_FILE, *(member.file for member in manifest.members)]:
        yield f"{MLFLOW}/data/{file}", read_file(directory, manifest, file)
    # Python keeps one module of a name: models of different versions of the scorer may be loaded side by side.
    module = f"dataml_scorer_{hashlib.sha256(scorer).hexdigest()[:8]}"
    yield f"{MLFLOW}/code/{module}.py", scorer
    for path, source in code.items():
        yield f"{MLFLOW}/code/{path}", source
    yield f"{MLFLOW}/code/{module}_mlflow.py", LOADER.format(module=module).encode()
    model = _describe_mlflow_model(manifest, contract, f"{module}_mlflow")
    environment = {"python": _PYTHON, "dependencies": ["-r requirements.txt"]}
    requirements = [*_requirements(manifest, contract), "mlflow-skinny>=2.20", "pandas"]
    yield f"{MLFLOW}/MLmodel", yaml.safe_dump(model, sort_keys=False, allow_unicode=True).encode()
    yield f"{MLFLOW}/python_env.yaml", yaml.safe_dump(environment, sort_keys=False).encode()
    yield f"{MLFLOW}/requirements.txt", "".join(f"{line}\n" for line in requirements).encode()


def _describe_mlflow_model(manifest: Manifest, contract: Contract, loader: str) -> dict[str, Any]:
    """Return the content of the file MLmodel."""
    function = {
        "loader_module": loader,
        "code": "code",
        "data": "data",
        "python_version": _PYTHON,
        "env": {"virtualenv": "python_env.yaml"},
    }
    features = [column for column in contract.columns if manifest.roles.get(column.name) in FEATURE_ROLES]
    return {
        "flavors": {"python_function": function},
        "signature": {
            "inputs": json.dumps([_input(column) for column in features], ensure_ascii=False),
            "outputs": json.dumps(_outputs(manifest), ensure_ascii=False),
            "params": None,
        },
        "utc_time_created": manifest.created_at.replace("T", " ").rstrip("Z"),
    }


def _input(column: Column) -> dict[str, Any]:
    kind = "string" if column.data_type is DataType.STRING else _ANY_TYPE
    return {"name": column.name, "type": kind, "required": column.default is None}


def _outputs(manifest: Manifest) -> list[dict[str, Any]]:
    classes = [f"probability_{to_label(value)}" for value in manifest.classes or ()]
    kinds = {DataType.BOOLEAN: "boolean", DataType.INTEGER: "long", DataType.FLOAT: "double"}
    kind = "double" if manifest.classes is None else kinds.get(manifest.target_type, "string")
    outputs = [("prediction", kind), *((name, "double") for name in classes)]
    return [{"name": name, "type": kind, "required": True} for name, kind in outputs]


def _requirements(manifest: Manifest, contract: Contract) -> list[str]:
    """Return the lines of requirements.txt; Python reads time zones from `tzdata` where the system has none."""
    zones = ["tzdata"] if any(column.time_zone is not None for column in contract.columns) else []
    # A linear model needs none.
    algorithms = dict.fromkeys(member.algorithm for member in manifest.members)
    libraries = ["numpy", *(library for name, library in LIBRARIES.items() if name in algorithms)]
    return [*(f"{name}=={manifest.versions[name]}" for name in libraries), *zones]
