"""The client as a package: light, generated, complete."""

import subprocess
import sys
from pathlib import Path

from codegen.files import ROOT, generate
from docs.generator.api import openapi

HEAVY = ("ray", "rich", "pandas", "pyarrow", "numpy", "fastapi", "sqlalchemy", "pydantic", "polars", "IPython")


def run(code: str) -> str:
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    return done.stdout.strip()


def test_generated_files_are_as_the_platform_is() -> None:
    wrong = [str(path.relative_to(ROOT)) for path, text in generate().items() if path.read_text() != text]
    assert wrong == [], "run `make client`"


def test_nothing_else_is_in_the_generated_folder() -> None:
    by_hand = {ROOT / "dataml/client/sync/__init__.py", ROOT / "dataml/client/sync/runtime.py"}
    assert (
        set((ROOT / "dataml/client/sync").glob("*.py")) == {p for p in generate() if p.parent.name == "sync"} | by_hand
    )


def test_every_operation_is_a_method() -> None:
    from dataml.client.aio.operations import Operations as Awaiting
    from dataml.client.sync.operations import Operations as Blocking

    names = {operation["operationId"] for item in openapi()["paths"].values() for operation in item.values()}
    assert len(names) > 80
    for kind in (Awaiting, Blocking):
        assert [name for name in names if not callable(getattr(kind, name, None))] == []


def test_import_brings_nothing_heavy() -> None:
    assert run("import dataml, sys; print([m for m in sys.modules if m.startswith('dataml.')])") == "[]"
    use = "import sys, dataml; dataml.connect; dataml.NotFound; dataml.aio"
    code = f"{use}; print([m for m in {HEAVY} if m in sys.modules])"
    assert run(code) == "[]"


def test_names_are_listed_and_others_are_an_error() -> None:
    assert run("import dataml; print('connect' in dir(dataml), 'NotFound' in dir(dataml), 'aio' in dir(dataml))") == (
        "True True True"
    )
    assert run("import dataml; print(hasattr(dataml, 'no_such_name'))") == "False"


def test_typed_marker_is_there() -> None:
    assert (Path(ROOT) / "dataml" / "py.typed").exists()
