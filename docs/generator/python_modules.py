"""Writes the Python reference: a page a package, a section a module, filled by mkdocstrings from the docstrings."""

import ast
from pathlib import Path
from typing import Final

from docs.generator.source import ROOT

# Packages and modules that other code may build on: they know no HTTP and no database.
PUBLIC: Final = {
    "contract": "dataml.contract",
    "ml-boosters": "dataml.ml.boosters",
    "ml-linear": "dataml.ml.linear",
    "ml-training": "dataml.ml.training",
    "ml-evaluation": "dataml.ml.evaluation",
    "ml-data-checks": "dataml.ml.data_checks",
    "ml-explanation": "dataml.ml.explanation",
    "ml-bundle": "dataml.ml.bundle",
    "ml-report": "dataml.ml.report",
    "ml-profiling": "dataml.ml.profiling",
    "ml-forecasting": "dataml.ml.forecasting",
    "storage": "dataml.storage",
    "iceberg": "dataml.iceberg",
    "jobs": "dataml.jobs.spec",
    "errors": "dataml.errors",
    "settings": "dataml.settings",
}


def pages() -> dict[str, str]:
    """Return the Markdown of each page by its file name under `reference/python/`."""
    return {f"{name}.md": _page(target) for name, target in PUBLIC.items()}


def modules(target: str) -> list[str]:
    """Return the public modules of a package, or the module itself, in alphabetical order."""
    path = ROOT / Path(*target.split("."))
    if not path.is_dir():
        return [target]
    files = sorted(file for file in path.rglob("*.py") if not any(part.startswith("_") for part in file.parts[-2:-1]))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files if not file.name.startswith("_")]
    return [name for name in names if not name.endswith("_template")]


def _page(target: str) -> str:
    path = ROOT / Path(*target.split("."))
    init = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    summary = ast.get_docstring(ast.parse(init.read_text())) or "" if path.is_dir() else ""
    lines = [f"# `{target}`", "", summary.partition("\n\n")[0], ""]
    for module in modules(target):
        lines += [f"::: {module}", ""]
    return "\n".join(lines)
