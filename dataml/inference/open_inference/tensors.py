"""Tensors of the Open Inference Protocol: their datatypes, and their elements as JSON, bytes and Python values."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.suggestions import describe_unknown, shorten

BYTES: Final = "BYTES"
BOOL: Final = "BOOL"
INT64: Final = "INT64"
FP64: Final = "FP64"
_BF16: Final = "BF16"
_INTEGERS: Final = {
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
}
_FLOATS: Final = {"FP16": "<f2", "FP32": "<f4", FP64: "<f8"}
_NUMBERS: Final = _INTEGERS | _FLOATS
_DATATYPES: Final = (BOOL, *_INTEGERS, _BF16, *_FLOATS, BYTES)
_LIMITS: Final = {name: (int(np.iinfo(code).min), int(np.iinfo(code).max)) for name, code in _INTEGERS.items()}
_LENGTH: Final = struct.Struct("<I")
_OF_COLUMN: Final = {DataType.INTEGER: INT64, DataType.FLOAT: FP64, DataType.BOOLEAN: BOOL}


@dataclass(frozen=True)
class Tensor:
    """A named tensor; its elements are flat, in row-major order."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    elements: Sequence[Any]
    parameters: Mapping[str, str | bool | int | float] = field(default_factory=dict)


def datatype_of_column(data_type: DataType) -> str:
    """Return the datatype that stands for the values of a column: BYTES for texts, dates and timestamps."""
    return _OF_COLUMN.get(data_type, BYTES)


def check_datatype(name: str, datatype: str) -> None:
    """Refuse a datatype that the protocol does not have; `name` is that of the tensor.

    Raises:
        Invalid: `unknown_datatype`.
    """
    if datatype not in _DATATYPES:
        text = describe_unknown("datatype", datatype, _DATATYPES, is_listed=True)
        raise Invalid(f"Tensor {shorten(name)!r}: {text}", code="unknown_datatype")


def count_rows(name: str, shape: Sequence[int]) -> int:
    """Return the number of rows of a tensor that holds one column: `[n]` or `[n, 1]`.

    Raises:
        Invalid: `wrong_shape`.
    """
    if not shape or shape[0] < 1 or tuple(shape[1:]) not in ((), (1,)):
        detail = f"Tensor {shorten(name)!r} has the shape {list(shape)[:8]}; the shape of a column is [n] or [n, 1]."
        raise Invalid(detail, code="wrong_shape")
    return shape[0]


def read_json_elements(name: str, datatype: str, shape: Sequence[int], data: Sequence[Any]) -> list[Any]:
    """Return the elements of a column that is sent as JSON, flat or in nested lists; null is a missing value.

    Raises:
        Invalid: `wrong_tensor_data`: their number or type is not that of the tensor.
    """
    rows = count_rows(name, shape)
    elements = list(data)
    if len(shape) == 2 and any(isinstance(element, list) for element in elements):
        if not all(isinstance(element, list) and len(element) == 1 for element in elements):
            raise _wrong_data(name, "nested lists have to follow its shape")
        elements = [element[0] for element in elements]
    if len(elements) != rows:
        raise _wrong_data(name, f"it has {len(elements):,} elements, and its shape has {rows:,}")
    for index, element in enumerate(elements):
        if element is not None and not _fits(datatype, element):
            raise _wrong_data(name, f"element {index} is no {datatype}")
    return elements


def _fits(datatype: str, element: Any) -> bool:
    if datatype == BYTES:
        return isinstance(element, str)
    if datatype == BOOL:
        return isinstance(element, bool)
    if isinstance(element, bool) or not isinstance(element, int | float):
        return False
    if datatype not in _INTEGERS:
        return True
    low, high = _LIMITS[datatype]
    return (isinstance(element, int) or element.is_integer()) and low <= element <= high


def read_raw_elements(name: str, datatype: str, shape: Sequence[int], raw: bytes) -> list[Any]:
    """Return the elements of a column that is sent as bytes: little-endian, and each text after its length in 4 bytes.

    Raises:
        Invalid: `wrong_tensor_data`: the bytes are no such elements, or not as many as the shape says.
    """
    rows = count_rows(name, shape)
    elements = _read_texts(name, raw) if datatype == BYTES else _read_fixed(name, datatype, raw)
    if len(elements) != rows:
        raise _wrong_data(name, f"its bytes hold {len(elements):,} elements, and its shape has {rows:,}")
    return elements


def _read_fixed(name: str, datatype: str, raw: bytes) -> list[Any]:
    if datatype == BOOL:
        if raw.strip(b"\0\1"):
            raise _wrong_data(name, "a BOOL is a byte 0 or 1")
        return [byte == 1 for byte in raw]
    number_type = np.dtype("<u2") if datatype == _BF16 else np.dtype(_NUMBERS[datatype])
    if len(raw) % number_type.itemsize:
        raise _wrong_data(name, f"{len(raw):,} bytes are no whole number of elements of {number_type.itemsize} bytes")
    numbers = np.frombuffer(raw, number_type)
    if datatype == _BF16:
        return shorten_floats((numbers.astype("<u4") << 16).view("<f4"))
    return numbers.tolist() if datatype in _INTEGERS or datatype == FP64 else shorten_floats(numbers)


def shorten_floats(numbers: "np.ndarray[Any, Any]") -> list[float]:
    """Return numbers of less than double precision as the doubles that are written alike.

    The FP32 nearest to 0.1 is read as 0.1, and so as the JSON of the same tensor is; as a double it is
    0.10000000149011612, which a rule `at most 0.1` would refuse.
    """
    return [float(str(number)) for number in numbers]


def _read_texts(name: str, raw: bytes) -> list[str]:
    texts: list[str] = []
    position = 0
    while position < len(raw):
        start = position + _LENGTH.size
        if start > len(raw):
            raise _wrong_data(name, f"the length of element {len(texts)} is cut off")
        position = start + _LENGTH.unpack_from(raw, position)[0]
        if position > len(raw):
            raise _wrong_data(name, f"element {len(texts)} is cut off")
        texts.append(decode_text(name, len(texts), raw[start:position]))
    return texts


def decode_text(name: str, index: int, encoded: bytes) -> str:
    """Return an element of a BYTES tensor as text.

    Raises:
        Invalid: `wrong_tensor_data`: it is not UTF-8.
    """
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        raise _wrong_data(name, f"element {index} is not UTF-8") from None


def write_raw_elements(tensor: Tensor) -> bytes:
    """Return the elements of a tensor as bytes, as `read_raw_elements` reads them."""
    if tensor.datatype == BYTES:
        encoded = [element.encode(errors="surrogatepass") for element in tensor.elements]
        return b"".join(part for text in encoded for part in (_LENGTH.pack(len(text)), text))
    number_type = "?" if tensor.datatype == BOOL else _NUMBERS[tensor.datatype]
    return np.array(tensor.elements, number_type).tobytes()


def _wrong_data(name: str, reason: str) -> Invalid:
    return Invalid(f"The data of tensor {shorten(name)!r} are wrong: {reason}.", code="wrong_tensor_data")
