"""What the demo shows: a line for each step, and on a terminal also what is under way."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from dataml.demo.client import Progress, StepFailed


@dataclass
class Step:
    """One line of the walk in the making."""

    progress: Progress
    answer: str = ""


class Screen:
    """A line for each step; on a terminal also what is under way."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._console = Console(highlight=False)

    def show_call(self, command: str) -> None:
        if self._verbose:
            self._print(f"  {command}", "dim")

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Times the block and prints its answer, or why it failed."""
        started = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        bars = Bars(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        bar = bars.add_task(name, total=None)

        def progress(fraction: float | None, message: str) -> None:
            total = None if fraction is None else 1.0
            bars.update(bar, total=total, completed=fraction or 0.0, description=f"{name}: {message}")

        step = Step(progress)
        try:
            with bars:
                yield step
        except StepFailed as error:
            self._print(f"✗ {name:<32}{_duration(started)}  {error}", "red")
            raise
        self._print(f"✓ {name:<32}{_duration(started)}  {step.answer}", "")

    def _print(self, line: str, style: str) -> None:
        # Whole lines, whatever the width: a terminal wraps, a file should not.
        self._console.print(line, style=style, markup=False, soft_wrap=True)


def _duration(started: float) -> str:
    elapsed_s = time.monotonic() - started
    return f"{elapsed_s:6.1f} s " if elapsed_s >= 1 else f"{elapsed_s * 1000:6.0f} ms"
