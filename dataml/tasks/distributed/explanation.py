"""SHAP values of the rows of a sample in parallel, on all CPUs of the cluster."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dataml.ml.bundle.predictor import Predictor
from dataml.ml.explanation.shap_values import column_totals
from dataml.storage.storage import Storage
from dataml.tasks.distributed.actors import work_in_order
from dataml.tasks.parquet_rows import take_rows


@dataclass(frozen=True)
class ExplainingConfig:
    """What each process needs.

    Attributes:
        storage: has the bundle and the rows.
        bundle: storage name of the bundle.
        parquet: storage name of the rows.
        places: row numbers of the sample, in its order.
        batches: the parts of `places` that are added up, as `shap_values.list_batches` divides them.
    """

    storage: Storage
    bundle: str
    parquet: str
    places: np.ndarray
    batches: tuple[slice, ...]


def total_batches(config: ExplainingConfig) -> Generator[np.ndarray, None, None]:
    """Yield `shap_values.column_totals` of each batch, in their order.

    The processes go on until the generator is closed: a caller that does not want all results must close it.

    Raises:
        DatamlError: as `work_in_order`.
    """
    with closing(work_in_order(_BatchExplainer, config, len(config.batches))) as results:
        for result in results:
            yield result.column("totals").to_numpy()


class _BatchExplainer:
    def __init__(self, config: ExplainingConfig) -> None:
        self._config = config
        self._predictor = Predictor.load(config.storage.fetch(config.bundle))

    def work(self, part: int) -> Iterator[pa.Table]:
        config, predictor = self._config, self._predictor
        path = config.storage.fetch(config.parquet)
        rows = take_rows(path, predictor.contract, config.places[config.batches[part]])
        matrix = predictor.preprocessing.transform(rows)
        yield pa.table({"totals": column_totals(predictor.members, matrix)})
