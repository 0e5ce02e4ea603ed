"""Imports that a process of the platform does without."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Final

_NEEDLESS: Final = {
    "pandas": {"ray.serve._private.utils", "lightgbm.compat"},
    "sklearn": {"lightgbm.compat", "xgboost.compat"},
    "polars": {"catboost.core"},
}
"""Modules, each with those that try to import it and can do without.

Serve looks for pandas only to send DataFrames as JSON: it would cost each process 50 MB and 0.7 s of a core. The
libraries of boosters look for these to take their tables, and to be estimators of scikit-learn. Ours get arrays.
Without them LightGBM takes 0.5 s and 20 MB in place of 2.9 s and 96 MB: the first explanation of a replica is fast.
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
        importers = _NEEDLESS.get(name)
        if importers is not None and (importer := _find_importer(sys._getframe(1))) in importers:
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
