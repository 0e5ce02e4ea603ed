"""Opening of Parquet files; uploaded ones, of plain columns and structs, are searched before Arrow reads them.

Opening a Parquet file is enough for Arrow to revive every registered extension type named in its schema, and a type may
run code to do so (Ray Data registers one that unpickles). So the stored Arrow schema is searched as bytes first.
"""

import base64
import binascii
import json
import re
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.files.parquet_types import find_type_problem, is_text
from dataml.contract.files.structs import list_flat_fields
from dataml.errors import Invalid

MAGIC: Final = b"PAR1"
_TAIL_BYTES: Final = 8
_MAX_FOOTER_BYTES: Final = 64 << 20
_SCHEMA_KEY: Final = b"ARROW:schema"
_EXTENSION_KEY: Final = b"ARROW:extension"
# Thrift's compact protocol: the next field, a byte string; and the end of a struct.
_THRIFT_BINARY: Final = 0x18
_THRIFT_STOP: Final = 0x00
_INDEX_LEVEL = re.compile(r"__index_level_[0-9]+__")


def open_parquet(path: Path, **options: Any) -> pq.ParquetFile:
    """Open a Parquet file that the platform has written, without reading ahead.

    What pyarrow reads ahead (`pre_buffer`) it keeps until the file is closed: of a large file, all of it.
    """
    return pq.ParquetFile(path, pre_buffer=False, **options)


def open_uploaded_parquet(path: Path, read_dictionaries: bool = False) -> pq.ParquetFile:
    """Open a Parquet file from outside; with `read_dictionaries` its text is read as dictionaries.

    Raises:
        Invalid: `not_a_parquet`, `unsupported_parquet_type`, `bad_column_name` for a name that is not UTF-8, or
            `duplicate_column` for the field of a struct.
    """
    with path.open("rb") as stream:
        reject_extension_types(stream, path.stat().st_size)
    try:
        file = open_parquet(path, arrow_extensions_enabled=False)
    except UnicodeDecodeError as error:
        raise Invalid("The name of a column is not UTF-8.", code="bad_column_name") from error
    except (pa.ArrowException, OSError) as error:
        raise damaged_parquet(error) from error
    _check_rows(file.metadata)
    fields = list_flat_fields(file.schema_arrow)
    for name, kind in fields:
        problem = find_type_problem(kind)
        if problem is not None:
            detail = f"Column {name!r} has the type {str(kind)[:200]}; {problem}."
            raise Invalid(detail, code="unsupported_parquet_type")
    if read_dictionaries:
        texts = [name for name, kind in fields if is_text(kind)]
        return open_parquet(path, read_dictionary=texts, arrow_extensions_enabled=False)
    return file


def find_unnamed_index(schema: pa.Schema) -> frozenset[str]:
    """Return the names under which pandas has written the levels of an index that have no name of their own.

    The metadata that pandas writes list the levels, as its developer guide describes ("Storing pandas DataFrame objects
    in Apache Parquet format"). Metadata of another form list nothing.
    """
    try:
        pandas = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        levels = {level for level in pandas["index_columns"] if isinstance(level, str)}
        unnamed = {column["field_name"] for column in pandas["columns"] if column["name"] is None}
    except (ValueError, KeyError, TypeError, RecursionError):
        return frozenset()
    return frozenset(name for name in levels & unnamed if _INDEX_LEVEL.fullmatch(name))


def reject_extension_types(stream: BinaryIO, size_bytes: int) -> None:
    """Refuse a file that would make Arrow revive extension types.

    Raises:
        Invalid: `unsupported_parquet_type` or `not_a_parquet`.
    """
    _reject_extension_keys(_read_footer(stream, size_bytes))


def damaged_parquet(error: Exception) -> Invalid:
    """Return the error for a file that a reader fails on."""
    first_line = str(error).partition("\n")[0][:200]
    return Invalid(f"The file is not a readable Parquet file: {first_line}", code="not_a_parquet")


def _check_rows(metadata: pq.FileMetaData) -> None:
    """Refuse a file whose number of rows is not the sum of its row groups': callers rely on both."""
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    if sum(rows) != metadata.num_rows or any(count < 0 for count in rows):
        raise Invalid("The footer of the file contradicts itself about the number of rows.", code="not_a_parquet")


def _read_footer(stream: BinaryIO, size: int) -> bytes:
    has_magic = stream.read(len(MAGIC)) == MAGIC
    if size < 2 * _TAIL_BYTES or not has_magic:
        raise Invalid("The file is not a Parquet file.", code="not_a_parquet")
    stream.seek(size - _TAIL_BYTES)
    tail = stream.read(_TAIL_BYTES)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or not 0 < length <= min(size - 2 * _TAIL_BYTES + 4, _MAX_FOOTER_BYTES):
        raise Invalid("The file ends without a Parquet footer: is it complete?", code="not_a_parquet")
    stream.seek(size - _TAIL_BYTES - length)
    return stream.read(length)


def _reject_extension_keys(footer: bytes) -> None:
    """Refuse extension types, and a stored schema that cannot be read for certain."""
    if _EXTENSION_KEY in footer:
        _unsupported("The file uses Arrow extension types")
    position = footer.find(_SCHEMA_KEY)
    while position >= 0:
        try:
            schema = base64.b64decode(_read_only_value(footer, position + len(_SCHEMA_KEY)), validate=True)
        except (binascii.Error, IndexError, ValueError):
            _unsupported("The file's Arrow schema is not written in a known way")
        if _EXTENSION_KEY in schema:
            _unsupported("The file uses Arrow extension types")
        position = footer.find(_SCHEMA_KEY, position + 1)


def _read_only_value(data: bytes, position: int) -> bytes:
    """Return the value whose key ends at `position`, and which must be the only one: a reader takes the last."""
    if data[position] != _THRIFT_BINARY:
        raise ValueError("no string follows")
    length = shift = 0
    while True:
        position += 1
        length |= (data[position] & 0x7F) << shift
        shift += 7
        if data[position] < 0x80:
            break
    text = data[position + 1 : position + 1 + length]
    if len(text) != length or data[position + 1 + length] != _THRIFT_STOP:
        raise ValueError("the string is cut, or another field follows")
    return text


def _unsupported(problem: str) -> NoReturn:
    raise Invalid(f"{problem}; use text, numbers, booleans, dates and times only.", code="unsupported_parquet_type")
