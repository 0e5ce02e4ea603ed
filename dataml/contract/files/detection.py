"""Detection of the format of a file by its first bytes."""

import re
from typing import Final, Literal

from dataml.contract.files.layout import PLAIN_CSV, CsvOptions
from dataml.contract.files.parquet import MAGIC
from dataml.contract.files.text import detect_compression
from dataml.errors import Invalid

FileFormat = Literal["csv", "parquet"]

SNIFF_BYTES: Final = 512
"""Number of first bytes that `detect_format` needs."""

_BINARY_MAGIC: Final = (
    (b"PK\x03\x04", "a zip archive or Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\x00", "a program"),
    (b"\x1f\x8b", "a gzip archive in an archive"),
    (b"BZh9", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive in an archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG", "an image"),
    (b"GIF8", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"SQLite format 3\0", "a database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"ARROW1\0", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"\x93NUMPY", "a NumPy array"),
)
# Protocol 0 is text; only beginnings that no header has are matched.
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05]|\([dl]p0\n|c(__builtin__|copy_reg)\n")
_MARKUP: Final = re.compile(
    rb"\s*(<!doctype|<\?xml|<!--|<(html|head|body|table|script|svg)[\s>]|\{\s*\"|\[\s*[\{\[])", re.IGNORECASE
)
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def detect_format(name: str, first_bytes: bytes, options: CsvOptions = PLAIN_CSV) -> FileFormat:
    """Return the format by the content: `parquet`, or `csv` for text, compressed or not.

    Args:
        name: the name of the file, which may claim to be Parquet.
        first_bytes: at most SNIFF_BYTES of the content.
        options: what the user says about CSV files.

    Raises:
        Invalid: `empty_file`, `not_a_parquet`, `not_a_csv`, or `not_utf8` for UTF-16.
    """
    if not first_bytes:
        raise Invalid(f"{name}: the file is empty.", code="empty_file")
    if first_bytes.startswith(MAGIC):
        return "parquet"
    if name.lower().endswith((".parquet", ".pq")):
        raise Invalid(f"{name}: this is not a Parquet file.", code="not_a_parquet")
    if detect_compression(first_bytes) is None and not options.encoding.startswith("utf-16"):
        refuse_binary(first_bytes)
    return "csv"


def refuse_binary(first_bytes: bytes) -> None:
    """Refuse content that is no text.

    Raises:
        Invalid: `not_a_csv`, or `not_utf8` for UTF-16.
    """
    if first_bytes.startswith(_UTF16_MARKS):
        raise Invalid("The file is UTF-16; upload with encoding=utf-16, or save it as UTF-8.", code="not_utf8")
    kind = next((kind for magic, kind in _BINARY_MAGIC if first_bytes.startswith(magic)), None)
    if kind is None and _PICKLE.match(first_bytes):
        kind = "a pickle"
    if kind is None and _MARKUP.match(first_bytes.removeprefix(b"\xef\xbb\xbf")):
        kind = "markup or JSON"
    if first_bytes.startswith(MAGIC):
        kind = "a Parquet file"
    if kind:
        raise Invalid(f"The file is not a CSV but {kind}.", code="not_a_csv")
