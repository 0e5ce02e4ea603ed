"""The generated files and their content."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from codegen.operations import operations_module
from codegen.schemas import SchemaWriter
from codegen.synchronous import to_synchronous
from docs.generator.api import openapi

ROOT: Final = Path(__file__).parents[1]
CLIENT: Final = ROOT / "dataml" / "client"
# Written by hand for both: what waits and what connects.
_BY_HAND: Final = ("__init__.py", "runtime.py")


def generate() -> dict[Path, str]:
    """Return the content of each generated file of the client."""
    schemas = SchemaWriter(openapi())
    operations = formatted(operations_module(openapi(), schemas))
    files = {CLIENT / "schemas.py": formatted(schemas.module()), CLIENT / "aio" / "operations.py": operations}
    sources = {path: path.read_text() for path in sorted((CLIENT / "aio").glob("*.py")) if path.name not in _BY_HAND}
    sources[CLIENT / "aio" / "operations.py"] = operations
    for path, source in sources.items():
        files[CLIENT / "sync" / path.name] = formatted(to_synchronous(source, path.name))
    return files


def formatted(source: str) -> str:
    """Return a module with sorted imports, without those that are not used, and formatted."""
    # Modules that are not written yet are ours, too.
    ours = "lint.isort.known-first-party = ['dataml']"
    checked = _ruff(source, "check", "--fix-only", "--quiet", "--select", "I,F401,F811", "--config", ours)
    return _ruff(checked, "format", "--quiet")


def _ruff(source: str, *command: str) -> str:
    full = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(CLIENT / "generated.py"), "-"]
    done = subprocess.run(full, input=source, capture_output=True, text=True, cwd=ROOT, check=False)
    if not done.stdout:
        raise RuntimeError(f"{' '.join(full)}: {done.stderr}")
    return done.stdout
