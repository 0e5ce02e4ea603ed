"""Python source in tests: parsed so that no other thread can disturb it."""

import ast
import gc


def parse(source: str) -> ast.Module:
    """Return the syntax tree of a module.

    CPython 3.11 counts the depth of all threads' `ast.parse` in one place (python/cpython#106905). A garbage collection
    within it can run a finalizer, and with that another thread; if that one formats a traceback, it parses too, and
    both counts are wrong: `SystemError: AST constructor recursion depth mismatch`. So nothing is collected meanwhile.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if was_enabled:
            gc.enable()
