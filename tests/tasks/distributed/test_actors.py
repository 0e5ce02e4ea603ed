"""Work in parts on several processes: in order, with the errors of the parts, and not for ever."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from dataml.errors import Conflict, Invalid, Unavailable
from dataml.tasks.distributed.actors import work_in_order

pytestmark = pytest.mark.usefixtures("two_nodes")


@pytest.fixture
def two_nodes(second_node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataml.tasks.distributed.cluster.cpu_count", lambda: 3)


def worker(behaviour: Any) -> Any:
    """Return a class that is sent to the processes by value; there this module cannot be imported."""

    class Worker:
        def __init__(self, config: str) -> None:
            self._config = config

        def work(self, part: int) -> Iterator[pa.Table]:
            for n in range(part % 3):
                yield pa.table({"part": [part], "n": [n], "config": [self._config]})
            behaviour(part)

    return Worker


def test_results_come_in_the_order_of_the_parts() -> None:
    found = [table.to_pylist()[0] for table in work_in_order(worker(lambda part: None), "x", 20)]
    assert found == [{"part": part, "n": n, "config": "x"} for part in range(20) for n in range(part % 3)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Invalid("wrong", code="not_a_csv"), Invalid),
        (Unavailable("away", code="storage_unavailable"), Unavailable),
        (Conflict("other", code="other"), Conflict),
        (MemoryError("too large"), MemoryError),
    ],
)
def test_the_error_of_the_first_part_that_has_one_is_raised(error: Exception, kind: type[Exception]) -> None:
    def fail(part: int) -> None:
        if part >= 5:
            raise error

    found: list[int] = []
    results = (table.column("part")[0].as_py() for table in work_in_order(worker(fail), "x", 8))
    with pytest.raises(kind) as caught:
        found.extend(results)
    assert found == [1, 2, 2, 4, 5, 5]
    assert str(caught.value) == str(error)
    assert getattr(caught.value, "code", None) == getattr(error, "code", None)


def test_a_part_that_ends_every_process_is_given_up() -> None:
    def end_process(part: int) -> None:
        if part == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Unavailable) as caught:
        list(work_in_order(worker(end_process), "x", 4))
    assert caught.value.code == "distributed_workers_failed"
