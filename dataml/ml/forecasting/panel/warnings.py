"""Warnings about the series of a training and about new observations."""

from collections.abc import Sequence

import numpy as np

from dataml.contract.warnings import MAX_EXAMPLES, DataWarning
from dataml.ml.forecasting.frequency.messages import format_times, series_label, series_labels
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import ParsedPanel


def find_series_warnings(parsed: ParsedPanel, target: str, series: str | None = None) -> tuple[DataWarning, ...]:
    """Return what a user should know of the series that a forecast learns from.

    Args:
        parsed: The series.
        target: The name of the target column.
        series: The name of the column with the names of the series, if there is one.
    """
    ids = parsed.panel.ids
    warnings = [
        _warn_of_series("short_series", "Too short for two seasons or the horizon", series, ids, parsed.short),
        _warn_of_series("constant_series", "The same value throughout", target, ids, parsed.constant),
        warn_of_filled(parsed.panel, parsed.is_filled, target),
        _warn_of_rows(
            "rows_before_first_value",
            f"{parsed.leading:,} rows before the first value of {target!r} in their series were left out.",
            target,
            parsed.leading,
        ),
        _warn_of_rows(
            "rows_after_last_value",
            f"{len(parsed.future):,} rows after the last value of {target!r} in their series were left out; the "
            "forecast starts at the first of them.",
            target,
            len(parsed.future),
        ),
    ]
    return tuple(warning for warning in warnings if warning is not None)


def warn_of_filled(panel: Panel, is_filled: np.ndarray, target: str) -> DataWarning | None:
    """Return the warning about values (rows,) of a panel that were filled in; None where there are none."""
    rows = np.flatnonzero(is_filled)
    if not len(rows):
        return None
    first = rows[:MAX_EXAMPLES]
    numbers = np.searchsorted(panel.starts, first, "right") - 1
    times = format_times(*panel.times[first])
    examples = [
        f"{series_label(panel.ids, number)} at {time}" for number, time in zip(numbers.tolist(), times, strict=True)
    ]
    message = f"{len(rows):,} of {len(panel.y):,} values of {target!r} were missing and were filled in."
    return DataWarning("filled_gaps", message, target, len(rows), tuple(examples))


def _warn_of_series(
    code: str, problem: str, column: str | None, ids: Sequence[str], numbers: Sequence[int]
) -> DataWarning | None:
    if not numbers:
        return None
    message = f"{problem}: {series_labels(ids, np.array(numbers))}."
    examples = tuple(ids[number] for number in numbers[:MAX_EXAMPLES] if ids[number])
    return DataWarning(code, message, column, len(numbers), examples)


def _warn_of_rows(code: str, message: str, column: str, count: int) -> DataWarning | None:
    return DataWarning(code, message, column, count) if count else None
