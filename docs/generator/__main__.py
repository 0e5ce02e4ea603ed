"""Builds the source of the site in `build/docs`: the written pages, with what is generated filled in.

python -m docs.generator
"""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from docs.generator import api, commands, error_codes, python_modules, tables
from docs.generator.source import ROOT

TARGET: Final = ROOT / "build" / "docs"
# What `<!-- generate: NAME -->` in a written page becomes.
TABLES: Final[dict[str, Callable[[], str]]] = {
    "settings": tables.settings,
    "permissions": tables.permissions,
    "roles": tables.roles,
    "commands": commands.page,
    "common options": commands.common_options,
    "exit codes": commands.exit_codes,
    "layers": tables.layers,
    "warnings": tables.warnings,
    "error codes": error_codes.page,
}
_MARKER: Final = re.compile(r"<!-- generate: (.+?) -->")
# Pages that live at the root of the repository; their links lead to `docs/` from there.
_COPIES: Final = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def build(target: Path = TARGET) -> list[Path]:
    """Write all pages into `target`, and return them."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "docs", target, ignore=shutil.ignore_patterns("generator", "__pycache__"))
    for name, copy in _COPIES.items():
        (target / copy).write_text((ROOT / name).read_text().replace("](docs/", "]("))
    for path in target.rglob("*.md"):
        path.write_text(_MARKER.sub(lambda match: TABLES[match.group(1)](), path.read_text()))
    for folder, pages in (("api", api.pages()), ("python", python_modules.pages())):
        (target / "reference" / folder).mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (target / "reference" / folder / name).write_text(text + "\n")
    return sorted(target.rglob("*.md"))


def missing_from_navigation(pages: list[Path], target: Path = TARGET) -> list[str]:
    """Return the pages that no entry of the navigation leads to."""
    config = (ROOT / "mkdocs.yml").read_text()
    names = [str(page.relative_to(target)) for page in pages]
    return [name for name in names if not re.search(rf"(: |- ){re.escape(name)}$", config, re.MULTILINE)]


def main() -> int:
    """Build the source of the site; 1 when something in it is wrong."""
    # It needs griffe, which the tests of the other modules do without.
    from docs.generator import docstrings

    problems = docstrings.problems()
    problems += [f"mkdocs.yml: {name} is not in the navigation" for name in missing_from_navigation(build())]
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
