"""The output of the demo: a line for each step, and on a terminal also the progress of the current one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from dataml.client.errors import ClientError
from dataml.client.progress import ReportProgress
from dataml.demo.curl import curl_command
from dataml.demo.steps import StepFailed


@dataclass
class Step:
    """A step that runs; `result` is shown at its end."""

    report_progress: ReportProgress
    result: str = ""


class Screen:
    """Prints a line for each step; on a terminal also the progress of the current one."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._console = Console(highlight=False)
        self._last_call = ""

    def show_call(self, request: httpx.Request) -> None:
        """Print the curl command of a call, if verbose; of one that is repeated to wait, once."""
        command = curl_command(request) if self._verbose else ""
        if command and command != self._last_call:
            self._print(f"  {command}", "dim")
        self._last_call = command

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time the block, and print its result or why it failed.

        Raises:
            StepFailed: The block has raised it, or an error of the client.
        """
        started = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        bars = Bars(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        bar = bars.add_task(name, total=None)

        def report_progress(fraction: float | None, message: str) -> None:
            total = None if fraction is None else 1.0
            bars.update(bar, total=total, completed=fraction or 0.0, description=f"{name}: {message}")

        step = Step(report_progress)
        try:
            with bars:
                yield step
        except (StepFailed, ClientError) as error:
            self._print(f"✗ {name:<32}{_duration(started)}  {error}", "red")
            raise StepFailed(str(error)) from error
        self._print(f"✓ {name:<32}{_duration(started)}  {step.result}", "")

    def _print(self, line: str, style: str) -> None:
        # Whole lines at any width: a terminal wraps them, a file should not.
        self._console.print(line, style=style, markup=False, soft_wrap=True)


def _duration(started: float) -> str:
    elapsed_s = time.monotonic() - started
    return f"{elapsed_s:6.1f} s " if elapsed_s >= 1 else f"{elapsed_s * 1000:6.0f} ms"
