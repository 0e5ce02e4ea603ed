"""Which Parquet files are taken: plain columns only, decided from the raw footer before Arrow sees the schema.

Opening a Parquet file is enough for Arrow to revive every registered extension type named in its schema, and a type may
run code to do so (Ray Data registers one that unpickles). So the stored Arrow schema is searched as bytes first.
"""

import base64
import binascii
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.errors import Invalid

MAGIC: Final = b"PAR1"
_TAIL_BYTES: Final = 8
_MAX_FOOTER_BYTES: Final = 64 << 20
_SCHEMA_KEY: Final = b"ARROW:schema"
_EXTENSION_KEY: Final = b"ARROW:extension"
# Compact protocol: the next field, a byte string; and the end of a struct.
_THRIFT_BINARY: Final = 0x18
_THRIFT_STOP: Final = 0x00


def open_parquet(path: Path, read_dictionaries: bool = False) -> pq.ParquetFile:
    """A Parquet file of plain columns; with `read_dictionaries` its text is read as dictionaries. Nothing is read
    ahead: pyarrow would keep it until the end of the file.

    Raises Invalid: `not_a_parquet`, `unsupported_parquet_type`, `bad_column_name` for a name that is no text.
    """
    with path.open("rb") as stream:
        reject_extension_types(stream, path.stat().st_size)
    try:
        file = pq.ParquetFile(path, pre_buffer=False, arrow_extensions_enabled=False)
    except UnicodeDecodeError as error:
        raise Invalid("The name of a column is not UTF-8.", code="bad_column_name") from error
    except (pa.ArrowException, OSError) as error:
        raise damaged(error) from error
    _check_rows(file.metadata)
    for field in file.schema_arrow:
        if not _is_plain(field.type):
            _unsupported(f"Column {field.name!r} has the type {field.type}")
    if read_dictionaries:
        texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
        return pq.ParquetFile(path, pre_buffer=False, read_dictionary=texts, arrow_extensions_enabled=False)
    return file


def reject_extension_types(stream: BinaryIO, size_bytes: int) -> None:
    """Raises Invalid: `unsupported_parquet_type`, when the file would have Arrow revive extension types;
    `not_a_parquet`."""
    _refuse_extensions(_footer(stream, size_bytes))


def damaged(error: Exception) -> Invalid:
    """What a reader's complaint becomes."""
    first_line = str(error).partition("\n")[0][:200]
    return Invalid(f"The file is not a readable Parquet file: {first_line}", code="not_a_parquet")


def _check_rows(metadata: pq.FileMetaData) -> None:
    """A file that counts its rows wrong would be shown with as many, and read with others."""
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    if sum(rows) != metadata.num_rows or any(count < 0 for count in rows):
        raise Invalid("The file counts its rows in two ways.", code="not_a_parquet")


def _footer(stream: BinaryIO, size: int) -> bytes:
    starts_well = stream.read(len(MAGIC)) == MAGIC
    if size < 2 * _TAIL_BYTES or not starts_well:
        raise Invalid("The file is not a Parquet file.", code="not_a_parquet")
    stream.seek(size - _TAIL_BYTES)
    tail = stream.read(_TAIL_BYTES)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or not 0 < length <= min(size - 2 * _TAIL_BYTES + 4, _MAX_FOOTER_BYTES):
        raise Invalid("The file ends without a Parquet footer: is it complete?", code="not_a_parquet")
    stream.seek(size - _TAIL_BYTES - length)
    return stream.read(length)


def _refuse_extensions(footer: bytes) -> None:
    """Anything about the stored schema that cannot be read for certain is refused too."""
    if _EXTENSION_KEY in footer:
        _unsupported("The file uses Arrow extension types")
    place = footer.find(_SCHEMA_KEY)
    while place >= 0:
        try:
            schema = base64.b64decode(_only_value(footer, place + len(_SCHEMA_KEY)), validate=True)
        except (binascii.Error, IndexError, ValueError):
            _unsupported("The file's Arrow schema is not written in a known way")
        if _EXTENSION_KEY in schema:
            _unsupported("The file uses Arrow extension types")
        place = footer.find(_SCHEMA_KEY, place + 1)


def _only_value(data: bytes, place: int) -> bytes:
    """The value whose key ends at `place`. A reader takes the last of several values, so there must be no other."""
    if data[place] != _THRIFT_BINARY:
        raise ValueError("no string follows")
    length = shift = 0
    while True:
        place += 1
        length |= (data[place] & 0x7F) << shift
        shift += 7
        if data[place] < 0x80:
            break
    text = data[place + 1 : place + 1 + length]
    if len(text) != length or data[place + 1 + length] != _THRIFT_STOP:
        raise ValueError("the string is cut, or another field follows")
    return text


def _is_plain(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    temporal = pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    return numeric or temporal or pa.types.is_boolean(kind) or pa.types.is_null(kind) or _is_text(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _unsupported(found: str) -> NoReturn:
    raise Invalid(f"{found}; use text, numbers, booleans, dates and timestamps only.", code="unsupported_parquet_type")
