"""The result of a batch as a Parquet file, made of its CSV file when it is asked for."""

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from dataml.contract.types import DataType
from dataml.storage.storage import Storage
from dataml.train.models import DeletedTraining, Training

_NUMBERS: Final = ("value", "lower", "upper", "confidence")
_PARSE: Final = pa_csv.ParseOptions(newlines_in_values=True)
_EFFECT: Final = re.compile(r"explanation_\d+_effect")


def build_parquet(storage: Storage, csv: str, training: Training | DeletedTraining) -> BinaryIO:
    """Return a temporary file with the rows of a result as Parquet. Blocking.

    Predictions have the type of the target, probabilities and effects are numbers, and all other columns are texts,
    Ids too. An empty cell is missing.

    Raises:
        FileMissing: storage has lost the result.
        Unavailable: As `Storage.fetch`.
    """
    source = storage.fetch(csv)
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile(dir=storage.root))
        _convert(source, file, _target_type(training))
        stack.pop_all()  # the response closes the file
        return file


def _convert(source: Path, target: BinaryIO, target_type: DataType) -> None:
    with pa_csv.open_csv(source, parse_options=_PARSE) as reader:
        names = reader.schema.names
    types = {name: _column_type(name, target_type).arrow for name in names}
    options = pa_csv.ConvertOptions(
        column_types=types,
        null_values=[""],
        strings_can_be_null=True,
        true_values=["true"],
        false_values=["false"],
    )
    with (
        pa_csv.open_csv(source, parse_options=_PARSE, convert_options=options) as reader,
        pq.ParquetWriter(target, pa.schema(list(types.items()))) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)


def _target_type(training: Training | DeletedTraining) -> DataType:
    if training.problem_type != "Classification":
        return DataType.FLOAT
    # What stays of a deleted training does not describe its data.
    summary: dict[str, Any] = (training.summary if isinstance(training, Training) else None) or {}
    return DataType(summary.get("target_type", DataType.STRING))


def _column_type(name: str, target_type: DataType) -> DataType:
    if name == "prediction":
        return target_type
    is_number = name in _NUMBERS or name.startswith("probability_") or _EFFECT.fullmatch(name)
    return DataType.FLOAT if is_number else DataType.STRING
