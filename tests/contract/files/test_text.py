"""CSV files as UTF-8: encodings, compression, what stands behind the last line."""

import gzip
import io
import itertools
import random
from pathlib import Path

import pytest

from dataml.contract.files import text
from dataml.contract.files.text import (
    WholeLineEnds,
    describe_utf16,
    detect_compression,
    has_carriage_return,
    is_plain_text,
    open_text,
    parse_encoding,
    suggest_encoding,
)
from dataml.errors import Invalid
from tests.contract.files.uploads import WriteFile


def read(path: Path, encoding: str = "utf-8", size: int = 7) -> bytes:
    with open_text(path, encoding) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("UTF8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("windows-1252", "cp1252"),
        ("ISO-8859-1", "latin-1"),
        (" utf_16_le ", "utf-16-le"),
    ],
)
def test_alias_of_an_encoding_is_known(name: str, encoding: str) -> None:
    assert parse_encoding(name) == encoding


@pytest.mark.parametrize("name", ["", "klingon", "zlib", "rot13", "idna", "utf-7", "a\0b", "é"])
def test_other_encoding_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_encoding(name)
    assert caught.value.code == "unknown_encoding"


@pytest.mark.parametrize("encoding", text.ENCODINGS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_file_of_any_encoding_is_read_as_utf8(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch, encoding: str, pack: object
) -> None:
    letters = {"cp1251": "Жёлтый", "cp1250": "Žluťoučký"}.get(encoding, "Größe €" if "8859" in encoding else "Größe")
    content = f"a,b\r\n{letters},1\n" * 50
    path = write(pack(content.encode(encoding)))  # type: ignore[operator]
    monkeypatch.setattr(text, "_BLOCK_BYTES", 13)
    assert read(path, encoding).removeprefix(b"\xef\xbb\xbf") == content.encode()
    assert is_plain_text(path, encoding) == (encoding == "utf-8" and pack is bytes)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_mark_of_utf16_becomes_that_of_utf8(write: WriteFile, encoding: str) -> None:
    assert read(write("\ufeffa\n1\n".encode(encoding)), encoding) == b"\xef\xbb\xbfa\n1\n"


@pytest.mark.parametrize(
    ("content", "encoding", "line"),
    [(b"a\nb\n\x81\n", "cp1252", 3), (b"a\x00\n\x00b", "utf-16-le", 2), (b"\x00\xd8\x00\n", "utf-16-le", 1)],
)
def test_text_that_is_not_in_its_encoding_is_refused_with_the_line(
    write: WriteFile, content: bytes, encoding: str, line: int
) -> None:
    with pytest.raises(Invalid, match=f"Line {line}: 0x.* is not {encoding}") as caught:
        read(write(content), encoding)
    assert caught.value.code == "not_in_encoding"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\n1\n   ", b"a\n1\n"),
        (b"a\n1\r\n\0\0\0\0", b"a\n1\r\n"),
        (b"a\n1\r\0", b"a\n1\r"),
        (b"a\n1 ", b"a\n1 "),
        (b"a\n1\0\0", b"a\n1\0\0"),
        (b"a\n \0", b"a\n \0"),
        (b"a\n\0\0\n", b"a\n\0\0\n"),
        (b"a\n  \n  ", b"a\n  \n"),
        (b"a\n  x\n", b"a\n  x\n"),
        (b"a\n\t", b"a\n\t"),
        (b"  ", b"  "),
        (b"", b""),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 2, 3, 1_000])
def test_blanks_or_zeros_behind_the_last_line_are_left_out(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch, content: bytes, expected: bytes, block_bytes: int
) -> None:
    monkeypatch.setattr(text, "_BLOCK_BYTES", block_bytes)
    assert read(write(content)) == expected
    assert read(write(gzip.compress(content))) == expected


def test_content_in_the_middle_is_kept(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(2)
    for _ in range(300):
        content = "".join(chance.choices(["\n", "\r", " ", "\0", "a"], k=12)) + "a\n\0"
        monkeypatch.setattr(text, "_BLOCK_BYTES", chance.randint(1, 5))
        assert read(write(content)) == content.encode()[:-1]


def test_zeros_of_a_large_remainder_are_not_kept_in_memory(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_MAX_HELD_BYTES", 100)
    monkeypatch.setattr(text, "_BLOCK_BYTES", 50)
    assert read(write(b"a\n" + b"\0" * 1_000)) == b"a\n"
    shortened = read(write(gzip.compress(b"a\n" + b"\0" * 1_000 + b"x")))
    assert shortened.replace(b"\0", b"") == b"a\nx"
    assert 100 < len(shortened) < 160


@pytest.mark.parametrize("size", [3, 4, 5, 100])
def test_no_read_ends_between_cr_and_lf(size: int) -> None:
    content = b"a\r\n\r\nbc\r\r\nd\r"
    stream = WholeLineEnds(io.BytesIO(content))
    parts = list(iter(lambda: stream.read(size), b""))
    assert b"".join(parts) == content
    assert all(len(part) <= size for part in parts)
    assert not any(part.endswith(b"\r") and later.startswith(b"\n") for part, later in itertools.pairwise(parts))


def test_compression_is_detected_by_content() -> None:
    assert detect_compression(gzip.compress(b"a")) == "gzip"
    assert detect_compression(b"a,b") is None


@pytest.mark.parametrize(
    ("content", "position", "expected"),
    [
        (b"a,caf\xe9 x\n", 5, "encoding=cp1252 if 'caf\u00e9 x'"),
        (b"a\n\x80 5,b\n", 2, "encoding=cp1252 if '\u20ac 5'"),
        (b"\x81\xe9\n", 0, "encoding=latin-1"),
    ],
)
def test_encoding_is_suggested_with_what_it_reads(content: bytes, position: int, expected: str) -> None:
    assert expected in suggest_encoding(content, position)


def test_utf16_without_a_mark_is_described() -> None:
    assert "encoding=utf-16-le" in describe_utf16("a,b\n1,2\n".encode("utf-16-le"))
    assert "encoding=utf-16-be" in describe_utf16("a,b\n1,2\n".encode("utf-16-be"))
    assert describe_utf16(b"a,\0\n1,2\n") == describe_utf16(b"\0\0\0\0") == describe_utf16(b"") == ""


@pytest.mark.parametrize(
    ("content", "expected"), [(b"a\n1\n", False), (b"a\r\n1\r\n", True), (b"a\n1\n" * 9 + b"\r", True)]
)
def test_carriage_return_is_seen_anywhere(tmp_path: Path, content: bytes, expected: bool) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert has_carriage_return(path) is expected
