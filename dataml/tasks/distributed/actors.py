"""Work in parts on all CPUs of the cluster, by Ray Data: results come in the order of the parts."""

import logging
import os
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Final, Protocol

import pyarrow as pa

from dataml.errors import DatamlError, Unavailable
from dataml.tasks.distributed import cluster

MAX_ATTEMPTS: Final = 4
"""How often a part is begun whose process is lost: Ray Data itself would begin it again for ever."""
_MAX_PARTS_PER_ACTOR: Final = 2
_NO_MEMORY: Final = "out_of_memory"
_CODE, _DETAIL, _STATUS = "error_code", "error_detail", "error_status"
log = logging.getLogger(__name__)


class PartWorker(Protocol):
    """What is made in each process, from a configuration, and then asked for one part after the other."""

    def work(self, part: int) -> Iterable[pa.Table]:
        """Yield the results of a part, as tables of one schema."""
        ...


def work_in_order(worker: type[PartWorker], config: Any, parts: int) -> Generator[pa.Table, None, None]:
    """Yield the rows that `worker(config)` makes of each part, in the order of the parts, as tables of one row.

    Each process makes its worker once. The processes reserve no CPUs of the cluster, because on a small machine the
    platform reserves them all; there are as many as the cluster has CPUs. They end with the generator: a caller that
    does not want all results must close it.

    Args:
        worker: a class that other nodes can import.
        config: the one argument of its constructor; it is sent to each node once.
        parts: number of parts.

    Raises:
        DatamlError: the first one, in the order of the parts, that a worker raised.
        MemoryError: a worker had too little memory.
        Unavailable: `distributed_workers_failed`: the processes of a part were lost MAX_ATTEMPTS times.
    """
    import ray  # a cluster's own library takes seconds to import, and few datasets need it
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    attempts: Any = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Attempts).remote()
    numbers = ray.data.from_items([{"part": number} for number in range(parts)], override_num_blocks=parts)
    results = numbers.map_batches(
        _Actor,
        fn_constructor_args=(worker, ray.put(config), attempts),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=0,
        compute=ActorPoolStrategy(
            size=min(parts, cluster.cpu_count()), max_tasks_in_flight_per_actor=_MAX_PARTS_PER_ACTOR
        ),
    )
    tables: Any = iter(results.iter_batches(batch_size=None, batch_format="pyarrow"))
    ended = 0
    try:
        for table in tables:
            for row in range(table.num_rows):
                result = _unpack(table.slice(row, 1))
                if result is None:
                    ended += 1
                else:
                    yield result
        if ended < parts:
            raise _processes_lost()
    finally:
        tables.close()  # ends the processes
        ray.kill(attempts)


class _Attempts:
    """Counts how often each part was begun, in a process of its own."""

    def __init__(self) -> None:
        self._counts = Counter[int]()

    def begin(self, part: int) -> int:
        """Return the number of this attempt, from 1."""
        self._counts[part] += 1
        return self._counts[part]


class _Actor:
    """A process of the pool."""

    def __init__(self, worker: Any, config: Any, attempts: Any) -> None:
        import ray

        os.nice(10)  # like the worker that waits for it
        self._worker_type = worker
        self._config = ray.get(config)
        self._attempts = attempts
        self._worker: Any = None

    def __call__(self, parts: pa.Table) -> Iterator[pa.Table]:
        import ray

        part = parts.column("part")[0].as_py()
        try:
            attempt: Any = ray.get(self._attempts.begin.remote(part))
            if attempt > MAX_ATTEMPTS:
                log.error("part %s of a distributed job has ended %s processes", part, MAX_ATTEMPTS)
                raise _processes_lost()
            # Made here, where its errors are sent back like those of its work.
            worker = self._worker = self._worker or self._worker_type(self._config)
            for table in worker.work(part):
                yield _pack(table)
            # The end is sent, too: of a part that is begun again Ray leaves out as many results as it has, and an error
            # among them would be lost.
            yield _row(None, None, None, None)
        except DatamlError as error:
            yield _pack_error(error.code, error.detail, error.status)
        except MemoryError as error:
            yield _pack_error(_NO_MEMORY, str(error), 0)


def _pack(table: pa.Table) -> pa.Table:
    """Return a table of one row: all results have one schema for Ray Data, which may join them and divide them."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return _row(sink.getvalue().to_pybytes(), None, None, None)


def _pack_error(code: str, detail: str, status: int) -> pa.Table:
    return _row(None, code, detail, status)


def _row(content: bytes | None, code: str | None, detail: str | None, status: int | None) -> pa.Table:
    return pa.table(
        {
            "content": pa.array([content], pa.large_binary()),
            _CODE: pa.array([code], pa.string()),
            _DETAIL: pa.array([detail], pa.string()),
            _STATUS: pa.array([status], pa.int64()),
        }
    )


def _unpack(row: pa.Table) -> pa.Table | None:
    """Return a result; None at the end of a part."""
    code, detail, status = (row.column(name)[0].as_py() for name in (_CODE, _DETAIL, _STATUS))
    if code == _NO_MEMORY:
        raise MemoryError(detail)
    if code is not None:
        kind = next((kind for kind in DatamlError.__subclasses__() if kind.status == status), DatamlError)
        raise kind(detail, code=code)
    content = row.column("content")[0].as_buffer()
    return None if content is None else pa.ipc.open_stream(content).read_all()


def _processes_lost() -> Unavailable:
    detail = (
        f"Processes of the job ended unexpectedly {MAX_ATTEMPTS} times at the same rows, perhaps for lack of memory; "
        "the log of Ray has the cause."
    )
    return Unavailable(detail, code="distributed_workers_failed")
