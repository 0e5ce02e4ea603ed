"""Imports that a process of the platform does without."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Final

_NEEDLESS: Final = {"pandas": "ray.serve._private.utils"}
"""Modules, each with the one that tries to import it and can do without.

Serve looks for pandas only to send DataFrames as JSON. It costs each process 50 MB and 0.7 s of a core.
"""


def install() -> None:
    """Let needless imports fail from now on; safe to repeat. Any other module imports what it wants."""
    if not any(isinstance(finder, _NeedlessImports) for finder in sys.meta_path):
        sys.meta_path.insert(0, _NeedlessImports())


class _NeedlessImports:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ImportError for an import that is needless; leave all others to the other finders."""
        importer = _NEEDLESS.get(name)
        if importer is not None and _find_importer(sys._getframe(1)) == importer:
            raise ModuleNotFoundError(f"{importer} does without {name}", name=name)
        return None


def _find_importer(frame: FrameType | None) -> str:
    """Return the module whose statement imports, above the frames of the import system."""
    while frame is not None:
        name: str = frame.f_globals.get("__name__", "")
        if not name.startswith("importlib"):
            return name
        frame = frame.f_back
    return ""
