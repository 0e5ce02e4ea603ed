"""Elements of tensors as JSON and as bytes."""

import contextlib
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataml.contract.types import DataType
from dataml.errors import DatamlError, Invalid
from dataml.inference.open_inference.tensors import (
    Tensor,
    check_datatype,
    count_rows,
    datatype_of_column,
    read_json_elements,
    read_raw_elements,
    write_raw_elements,
)

NUMPY_TYPES = {
    "BOOL": "?",
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}
ALL = [*NUMPY_TYPES, "BF16", "BYTES"]


def refusal(error: pytest.ExceptionInfo[Invalid]) -> str:
    return error.value.code


def texts(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


@pytest.mark.parametrize("datatype", list(NUMPY_TYPES))
def test_every_number_is_read_from_its_bytes(datatype: str) -> None:
    array = np.array([0, 1, 1], NUMPY_TYPES[datatype])
    elements = read_raw_elements("a", datatype, [3], array.tobytes())
    assert elements == array.tolist()
    assert {type(element) for element in elements} == {type(array.tolist()[0])}


@pytest.mark.parametrize("datatype", ["INT8", "INT64", "UINT64"])
def test_limits_of_integers_are_read(datatype: str) -> None:
    limits = np.iinfo(NUMPY_TYPES[datatype])
    values = [int(limits.min), int(limits.max)]
    assert read_raw_elements("a", datatype, [2], np.array(values, NUMPY_TYPES[datatype]).tobytes()) == values
    assert read_json_elements("a", datatype, [2], values) == values
    for outside in (values[0] - 1, values[1] + 1):
        with pytest.raises(Invalid, match=f"element 0 is no {datatype}"):
            read_json_elements("a", datatype, [1], [outside])


def test_floats_of_less_precision_are_read_as_they_are_written() -> None:
    assert read_raw_elements("a", "FP32", [2], np.array([0.1, 1e20], "<f4").tobytes()) == [0.1, 1e20]
    assert read_raw_elements("a", "FP16", [1], np.array([0.1], "<f2").tobytes()) == [0.1]
    assert read_raw_elements("a", "BF16", [2], struct.pack("<HH", 0x3F80, 0xC000)) == [1.0, -2.0]
    assert read_raw_elements("a", "FP64", [1], np.array([0.1 + 0.2], "<f8").tobytes()) == [0.1 + 0.2]


def test_missing_numbers_are_nan() -> None:
    for datatype in ("FP16", "FP32", "FP64"):
        (element,) = read_raw_elements("a", datatype, [1], np.array([np.nan], NUMPY_TYPES[datatype]).tobytes())
        assert math.isnan(element)


def test_texts_are_read_after_their_lengths() -> None:
    assert read_raw_elements("a", "BYTES", [3, 1], texts("é".encode(), b"", b"b")) == ["é", "", "b"]


@pytest.mark.parametrize(
    ("datatype", "shape", "raw"),
    [
        ("INT64", [1], b"\0" * 7),
        ("INT64", [2], b"\0" * 8),
        ("FP32", [1], b"\0" * 8),
        ("BF16", [1], b"\0"),
        ("BOOL", [1], b"\2"),
        ("BYTES", [1], b"\1\0\0"),
        ("BYTES", [1], b"\1\0\0\0"),
        ("BYTES", [1], b"\xff\xff\xff\xffa"),
        ("BYTES", [1], texts(b"\xff")),
        ("BYTES", [2], texts(b"a")),
        ("BYTES", [1], texts(b"a", b"b")),
    ],
)
def test_wrong_bytes_are_refused(datatype: str, shape: list[int], raw: bytes) -> None:
    with pytest.raises(Invalid) as error:
        read_raw_elements("a", datatype, shape, raw)
    assert refusal(error) == "wrong_tensor_data"


@given(st.sampled_from(ALL), st.lists(st.integers(-1, 4), max_size=3), st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(datatype: str, shape: list[int], raw: bytes) -> None:
    elements: list[Any] = []
    with contextlib.suppress(DatamlError):
        elements = read_raw_elements("a", datatype, shape, raw)
    if not elements:
        return
    assert len(elements) == shape[0]
    if datatype in ("INT64", "FP64", "BYTES", "BOOL"):
        assert write_raw_elements(Tensor("a", datatype, (len(elements),), elements)) == raw or datatype == "FP64"


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=5))
def test_texts_come_back_from_their_bytes(values: list[str]) -> None:
    raw = write_raw_elements(Tensor("a", "BYTES", (len(values),), values))
    assert read_raw_elements("a", "BYTES", [len(values)], raw) == values


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BYTES", ["a", None, ""]),
        ("INT64", [1, None, 2**62]),
        ("INT32", [1.0, -2, None]),
        ("FP64", [1, 2.5, None]),
        ("FP32", [1, math.nan, math.inf]),
        ("BOOL", [True, False, None]),
    ],
)
@pytest.mark.parametrize("is_nested", [False, True])
def test_json_is_read_flat_and_nested(datatype: str, data: list[Any], is_nested: bool) -> None:
    sent = [[value] for value in data] if is_nested else data
    assert read_json_elements("a", datatype, [3, 1], sent) is not sent
    assert read_json_elements("a", datatype, [3, 1], sent) == data


@pytest.mark.parametrize(
    ("datatype", "shape", "data"),
    [
        ("BYTES", [1], [1]),
        ("BYTES", [1], [{}]),
        ("BYTES", [1], [["a"]]),
        ("BYTES", [2, 1], [["a"], "b"]),
        ("BYTES", [1, 1], [["a", "b"]]),
        ("INT64", [1], [1.5]),
        ("INT64", [1], [True]),
        ("INT64", [1], ["1"]),
        ("INT64", [1], [math.nan]),
        ("INT8", [1], [128]),
        ("UINT8", [1], [-1]),
        ("BOOL", [1], [1]),
        ("FP64", [1], [False]),
        ("FP64", [1], ["1"]),
        ("FP64", [2], [1]),
        ("FP64", [1], []),
    ],
)
def test_wrong_json_is_refused(datatype: str, shape: list[int], data: list[Any]) -> None:
    with pytest.raises(Invalid) as error:
        read_json_elements("a", datatype, shape, data)
    assert refusal(error) == "wrong_tensor_data"


@pytest.mark.parametrize("shape", [[], [0], [-1], [2, 2], [1, 0], [1, 1, 1], [0, 1]])
def test_shape_of_other_than_a_column_is_refused(shape: list[int]) -> None:
    with pytest.raises(Invalid) as error:
        count_rows("a", shape)
    assert refusal(error) == "wrong_shape"


def test_unknown_datatype_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Invalid, match=r"no datatype 'int64'; did you mean 'INT64'\? Use BOOL") as error:
        check_datatype("a", "int64")
    assert refusal(error) == "unknown_datatype"
    for datatype in ALL:
        check_datatype("a", datatype)


def test_every_type_of_a_column_has_a_datatype() -> None:
    assert {kind: datatype_of_column(kind) for kind in DataType} == {
        DataType.STRING: "BYTES",
        DataType.INTEGER: "INT64",
        DataType.FLOAT: "FP64",
        DataType.BOOLEAN: "BOOL",
        DataType.DATE: "BYTES",
        DataType.TIMESTAMP: "BYTES",
    }
