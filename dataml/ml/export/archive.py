"""A predictor to take along: one ZIP file with its bundle, a scorer that needs no platform, and an MLflow model.

The scorer and the MLflow model read contract.json and preprocess.json as the platform does, and load the boosters'
native files; nothing in the file is pickled.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO, Final

from dataml import __version__
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.ml.bundle.manifest import (
    CONTRACT_FILE,
    FEATURE_ROLES,
    MANIFEST_FILE,
    MODEL_FILES,
    PREPROCESS_FILE,
    Manifest,
    read_file,
    read_manifest,
    to_json_bytes,
)
from dataml.ml.export.templates import FORECAST_README, LOADER, README
from dataml.ml.labels import to_label

MLFLOW: Final = "mlflow"
_PYTHON: Final = "3.11"
_LIBRARIES: Final = {"XGBoost": "xgboost", "LightGBM": "lightgbm", "CatBoost": "catboost"}
# What a signature calls types. Only texts are checked by MLflow: its other checks refuse whole numbers where a Float is
# wanted, numbers with gaps where an Integer is, and written dates; the scorer reads them all.
_ANY: Final = "any"


def write_archive(directory: Path, name: str, target: BinaryIO) -> None:
    """Write the ZIP file of the bundle in `directory`, verified file by file; `name` is what the predictor is called.
    The same bundle gives the same bytes.

    Raises BundleDamaged when a file is absent or was changed.
    """
    manifest = read_manifest(directory)
    moment = tuple(int(part) for part in manifest.created_at[:19].replace("T", "-").replace(":", "-").split("-"))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in _files(directory, manifest, name):
            about = zipfile.ZipInfo(path, moment)  # type: ignore[arg-type]
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = 0o644 << 16
            archive.writestr(about, content)


def _files(directory: Path, manifest: Manifest, name: str) -> Iterator[tuple[str, bytes]]:
    if manifest.problem_type == "Forecast":
        yield from _forecast_files(directory, manifest, name)
        return
    scorer = resources.files("dataml.ml.export").joinpath("standalone_scorer.py").read_bytes()
    record = to_json_bytes(manifest.to_json())
    yield "README.md", README.format(name=name, model=manifest.model, target=manifest.target).encode()
    yield "requirements.txt", "".join(f"{line}\n" for line in _requirements(manifest)).encode()
    yield "scorer.py", scorer
    yield MANIFEST_FILE, record
    for file in manifest.files:
        yield file, read_file(directory, manifest, file)
    needed = [CONTRACT_FILE, PREPROCESS_FILE, *(MODEL_FILES[algorithm] for algorithm in _algorithms(manifest))]
    yield f"{MLFLOW}/data/{MANIFEST_FILE}", record
    for file in needed:
        yield f"{MLFLOW}/data/{file}", read_file(directory, manifest, file)
    # Python keeps one module of a name: models of different versions of the scorer may be loaded side by side.
    module = f"dataml_scorer_{hashlib.sha256(scorer).hexdigest()[:8]}"
    yield f"{MLFLOW}/code/{module}.py", scorer
    yield f"{MLFLOW}/code/{module}_mlflow.py", LOADER.format(module=module).encode()
    contract = Contract.from_json(_json(read_file(directory, manifest, CONTRACT_FILE)))
    yield from _mlflow(manifest, contract, f"{module}_mlflow")


def _forecast_files(directory: Path, manifest: Manifest, name: str) -> Iterator[tuple[str, bytes]]:
    """The bundle as it is: what continues a series is the platform's own code, which runs without the platform."""
    text = FORECAST_README.format(name=name, model=manifest.model, target=manifest.target)
    yield "README.md", text.encode()
    yield "requirements.txt", f"dataml=={__version__}\n".encode()
    yield MANIFEST_FILE, to_json_bytes(manifest.to_json())
    for file in manifest.files:
        yield file, read_file(directory, manifest, file)


def _mlflow(manifest: Manifest, contract: Contract, loader: str) -> Iterator[tuple[str, bytes]]:
    """MLmodel (https://mlflow.org/docs/latest/ml/model/) and the environments that MLflow makes for a model."""
    import yaml

    function = {
        "loader_module": loader,
        "code": "code",
        "data": "data",
        "python_version": _PYTHON,
        "env": {"virtualenv": "python_env.yaml"},
    }
    features = [c for c in contract.columns if manifest.roles.get(c.name) in FEATURE_ROLES]
    model = {
        "flavors": {"python_function": function},
        "signature": {
            "inputs": _line([_input(column) for column in features]),
            "outputs": _line(_outputs(manifest)),
            "params": None,
        },
        "utc_time_created": manifest.created_at.replace("T", " ").rstrip("Z"),
    }
    environment = {"python": _PYTHON, "dependencies": ["-r requirements.txt"]}
    lines = [*_requirements(manifest), "mlflow-skinny>=2.20", "pandas"]
    yield f"{MLFLOW}/MLmodel", yaml.safe_dump(model, sort_keys=False, allow_unicode=True).encode()
    yield f"{MLFLOW}/python_env.yaml", yaml.safe_dump(environment, sort_keys=False).encode()
    yield f"{MLFLOW}/requirements.txt", "".join(f"{line}\n" for line in lines).encode()


def _input(column: Column) -> dict[str, Any]:
    kind = "string" if column.data_type is DataType.STRING else _ANY
    return {"name": column.name, "type": kind, "required": column.default is None}


def _outputs(manifest: Manifest) -> list[dict[str, Any]]:
    classes = [f"probability_{to_label(value)}" for value in manifest.classes or ()]
    kinds = {DataType.BOOLEAN: "boolean", DataType.INTEGER: "long", DataType.FLOAT: "double"}
    kind = "double" if manifest.classes is None else kinds.get(manifest.target_type, "string")
    outputs = [("prediction", kind), *((name, "double") for name in classes)]
    return [{"name": name, "type": kind, "required": True} for name, kind in outputs]


def _requirements(manifest: Manifest) -> list[str]:
    libraries = ["numpy", *(_LIBRARIES[algorithm] for algorithm in _algorithms(manifest))]
    return [f"{name}=={manifest.versions[name]}" for name in libraries]


def _algorithms(manifest: Manifest) -> list[str]:
    """Of the boosters that predict; a bundle names one by its file."""
    return [algorithm for algorithm, file in MODEL_FILES.items() if file in manifest.files]


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json(content: bytes) -> Any:
    return json.loads(content)
