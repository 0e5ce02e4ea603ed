"""Ranges of numbers are recorded while the numbers are read."""

import numpy as np
import pyarrow as pa

from dataml.contract.types import DataType
from dataml.ml.encoding import EncodedColumn, Encoding
from dataml.ml.feature_ranges import RangeRecorder, merge_ranges
from dataml.ml.preprocessing import Preprocessing
from tests.ml.samples import contract_of


def test_ranges_of_numbers_are_exact() -> None:
    table = pa.table(
        {
            "big": pa.array([2**53 + 1, 5, None], pa.int64()),
            "price": [0.1, 0.3, 0.2],
            "colour": ["red", "green", "red"],
            "empty": pa.nulls(3, pa.float64()),
        }
    )
    preprocessing = Preprocessing.fit(contract_of(table), ["big", "price", "colour"], table)
    recorder = RangeRecorder(table, preprocessing.layout)
    encoded = preprocessing.transform(recorder)
    assert recorder.ranges == {"big": (5, 2**53 + 1), "price": (0.1, 0.3)}
    assert np.array_equal(encoded, preprocessing.transform(table), equal_nan=True)


def test_a_column_without_numbers_has_no_range() -> None:
    table = pa.table({"x": pa.nulls(3, pa.float64())})
    recorder = RangeRecorder(table, [EncodedColumn("x", "x", DataType.FLOAT, Encoding.NUMBER)])
    recorder.column("x")
    assert recorder.ranges == {}


def test_both_datasets_of_a_continued_model_count() -> None:
    assert merge_ranges({"a": (0, 5), "b": (1, 2)}, {"a": (-1, 3), "c": (7, 8)}) == {
        "a": (-1, 5),
        "b": (1, 2),
        "c": (7, 8),
    }
