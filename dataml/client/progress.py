"""Progress of what takes long: on a terminal, in a notebook, to a function, or nowhere."""

import html
import sys
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from dataml.client.terminal import printable

# Gets the share of the work that is done, 0 to 1 or None for unknown, and what is being done.
ReportProgress: TypeAlias = Callable[[float | None, str], None]
ShowProgress: TypeAlias = bool | ReportProgress | None
"""True or None: shown where somebody looks (a terminal or a notebook); False: not; a function: called."""


class Progress(Protocol):
    """Shows the progress of one operation after another; it is used with `with`."""

    def update(self, share: float | None, text: str) -> None:
        """Show that this share of the work is done, and what is being done."""
        ...

    def __enter__(self) -> "Progress": ...

    def __exit__(self, *_: object) -> None: ...


def open_progress(wanted: ShowProgress, title: str) -> Progress:
    """Return what shows the progress; it prints nothing where nobody looks."""
    if wanted is False:
        return _Silent()
    if callable(wanted):
        return _Callback(wanted)
    if in_notebook():
        return _Notebook(title)
    return _Terminal(title) if sys.stderr is not None and sys.stderr.isatty() else _Silent()


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook. Imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def report_bytes_to(shown: Progress, verb: str) -> Callable[[int, int], None]:
    """Return a function that shows bytes as progress: it gets those that are done, and all, or 0 if not known."""

    def report(done: int, total: int) -> None:
        of_all = f" of {total / 1e6:,.1f}" if total else ""
        shown.update(done / total if total else None, f"{done / 1e6:,.1f}{of_all} MB {verb}")

    return report


class _Silent:
    def update(self, share: float | None, text: str) -> None:
        """Show nothing."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class _Callback(_Silent):
    def __init__(self, report: ReportProgress) -> None:
        self._report = report

    def update(self, share: float | None, text: str) -> None:
        """Call the function."""
        self._report(share, text)


class _Terminal(_Silent):
    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        # Names of users are no markup.
        name = TextColumn("{task.description}", markup=False)
        columns = (name, BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        status = TextColumn("{task.fields[text]}", style="dim", markup=False)
        self._bar = Progress(*columns, status, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(printable(title), total=None, text="")

    def update(self, share: float | None, text: str) -> None:
        """Move the bar."""
        total = None if share is None else 1.0
        self._bar.update(self._task, total=total, completed=share or 0.0, text=printable(text))

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


class _Notebook(_Silent):
    def __init__(self, title: str) -> None:
        self._title = title
        self._handle: Any = None
        self._shown = ""

    def update(self, share: float | None, text: str) -> None:
        """Change the bar in the output of the cell."""
        value = "" if share is None else f" value='{share:.3f}'"
        bar = f"<progress max='1'{value}></progress>"
        self._show(f"<div>{html.escape(self._title)} {bar} <small>{html.escape(text)}</small></div>")

    def __exit__(self, kind: object = None, *_: object) -> None:
        word = "done" if kind is None else "not done"
        if self._handle is not None:
            self._show(f"<div>{html.escape(self._title)}: {word}</div>")

    def _show(self, content: str) -> None:
        from IPython.display import HTML, display  # type: ignore[import-not-found]

        if content == self._shown:
            return
        self._shown = content
        if self._handle is None:
            self._handle = display(HTML(content), display_id=True)
        else:
            self._handle.update(HTML(content))
