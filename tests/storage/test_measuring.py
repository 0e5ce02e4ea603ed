"""Metrics of operations on files."""

import pytest

from dataml.errors import TooLarge, Unavailable
from dataml.metrics.definitions import STORAGE_DURATION, STORAGE_ERRORS
from dataml.storage.measuring import measure_operation
from dataml.storage.objects import FileMissing


@pytest.mark.parametrize(
    ("error", "errors"),
    [(OSError(), 1), (Unavailable("away"), 1), (FileMissing(), 1), (TooLarge("large"), 0)],
    ids=repr,
)
def test_operation_is_timed_and_a_failure_of_storage_counted(error: Exception, errors: int) -> None:
    STORAGE_DURATION.take()
    STORAGE_ERRORS.take()
    with measure_operation("write"):
        pass
    with pytest.raises(type(error)), measure_operation("upload"):
        raise error
    observed = STORAGE_DURATION.take()
    assert {labels: sum(values[:-1]) for labels, values in observed.items()} == {("write",): 1, ("upload",): 1}
    assert sum(STORAGE_ERRORS.take().values()) == errors
