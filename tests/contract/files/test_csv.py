"""The structure of CSV files: sound ones are read as they were scanned, broken ones are refused with the line."""

import csv
import io
import itertools
import random

import pytest

from dataml.contract.contract import MAX_COLUMNS
from dataml.contract.files import csv as csv_files
from dataml.contract.files.csv import find_section_starts, read_header, scan_csv, scan_section
from dataml.contract.files.reading import open_batches, scan_file
from dataml.errors import Invalid
from tests.contract.files.uploads import WriteFile, read_rows


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n", [("1", "2")]),
        ("a,b\n1,2", [("1", "2")]),
        ("a,b\r\n1,2\r\n", [("1", "2")]),
        ("a,b\r1,2\r3,4\r", [("1", "2"), ("3", "4")]),
        ("a,b\r\n1,2\n3,4\r5,6\r\r\n7,8", [("1", "2"), ("3", "4"), ("5", "6"), ("7", "8")]),
        ('a,b\n"x\ny\r\n\rz",1\n', [("x\ny\r\n\rz", "1")]),
        ("a,b\n00123,=cmd|' /C calc'!A0\n", [("00123", "=cmd|' /C calc'!A0")]),
        ("\ufeffa,b\n1,2\n", [("1", "2")]),
        ('\ufeff"a",b\n1,2\n', [("1", "2")]),
        ("\n\na,b\n\n1,2\n\n\n3,4\n\n", [("1", "2"), ("3", "4")]),
        ('a,b\n1,"x""y"\n', [("1", 'x"y')]),
        ('a,b\n"1\r\n2","x,y"\n', [("1\r\n2", "x,y")]),
        ('a,b\n"",\n', [(None, None)]),
        ('a\n""\n\n1\n', [(None,), ("1",)]),
        ("a,b\nNA,null\n", [("NA", "null")]),
        ("a,b\n é,1\n", [(" é", "1")]),
    ],
)
def test_sound_file_is_read_as_it_was_scanned(write: WriteFile, content: str, expected: list[object]) -> None:
    path = write(content)
    summary = scan_file(path, "csv")
    assert (summary.total_records, summary.total_fields) == (len(expected), len(summary.names))
    assert read_rows(path) == expected


@pytest.mark.parametrize(
    ("content", "code", "where"),
    [
        (b"", "empty_file", "empty"),
        (b"\n\r\n", "empty_file", "empty"),
        (b"\xef\xbb\xbf", "empty_file", "empty"),
        (b"a,b\n", "no_rows", "no rows"),
        (b"a,b\n1,2\n1,caf\xe9\n", "not_utf8", "Line 3"),
        (b"a,b\n1,caf\xc3", "not_utf8", "Line 2"),
        (b"a,b\n1,\0\n", "nul_byte", "Line 2"),
        (b"a,b\n\n1,2,3\n", "ragged_row", "Line 3: 3 fields, where the header has 2"),
        (b'a,b\n"x\ny",2\n1\n', "ragged_row", "Line 4: 1 fields"),
        (b"a,b\n1,2\n \n", "ragged_row", "Line 3"),
        (b"a,a\n1,2\n", "duplicate_column", "'a'"),
        (b"a, a \n1,2\n", "duplicate_column", "'a'"),
        (b"a,\n1,2\n", "empty_column_name", "Column 2"),
        (b",a\n1,2\n", "empty_column_name", "Column 1"),
        (b"a\x07,b\n1,2\n", "bad_column_name", "column 1"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "unterminated_quote", "Line 3"),
        (b'a,b\n1,"', "unterminated_quote", "Line 2"),
        (b'a,"b\n1,2\n', "unterminated_quote", "Line 1"),
        (b'a,b\n1,"2"x\n', "stray_quote", "Line 2: text follows"),
        (b'a,b\n1,5" pipe\n', "stray_quote", "Line 2: a quote stands inside"),
        (b"a,b\n1," + b"x" * (2**20 + 1) + b"\n", "field_too_large", "Line 2"),
        (b'a,b\n1,"' + b"x" * (17 << 20), "row_too_large", "Line 2"),
        (b"a,b\n1," + b"x" * 2_000_000 + b"\n", "field_too_large", "Line 2"),
        (
            ",".join(f"c{i}" for i in range(MAX_COLUMNS + 1)).encode() + b"\n1\n",
            "too_many_columns",
            f"{MAX_COLUMNS + 1:,}",
        ),
        (",".join(f"c{i}" for i in range(200_000)).encode() + b"\n1\n", "too_many_columns", "200,000"),
        (b"PK\x03\x04zip", "not_a_csv", "zip"),
    ],
)
def test_broken_structure_is_refused_with_its_line(write: WriteFile, content: bytes, code: str, where: str) -> None:
    with pytest.raises(Invalid) as caught:
        scan_file(write(content), "csv")
    assert caught.value.code == code
    assert where in caught.value.detail


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_detected_in_the_header(write: WriteFile, delimiter: str) -> None:
    path = write(f'"a,1;"{delimiter}b{delimiter}c\n1{delimiter}2{delimiter}3\n')
    summary = scan_file(path, "csv")
    assert (summary.delimiter, summary.names) == (delimiter, ("a,1;", "b", "c"))
    assert read_rows(path, delimiter) == [("1", "2", "3")]


def test_generated_file_of_any_text_is_read_back_exactly(write: WriteFile) -> None:
    chance = random.Random(7)
    cells = ["", "a", ",", '"', "\n", "\r\n", 'x"y', "é", " ", "'", ";", "1,5", "\t"]
    written = [["".join(chance.choices(cells, k=3)) for _ in range(4)] for _ in range(3000)]
    target = io.StringIO()
    csv.writer(target, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c", "d"], *written])
    path = write(target.getvalue())
    assert scan_file(path, "csv").total_records == len(written)
    assert read_rows(path) == [tuple(cell or None for cell in row) for row in written]


def test_result_does_not_depend_on_where_blocks_end(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    pieces = ["a", "1", ",", ",", "\n", "\n", '"', "\r", "\r\n", '"x"', '"y,z"', "é", " ", '""']
    headers = ["h1,h2\n", '"h1","h\n2"\r\n', "\n\nh1,h2\r", "\ufeffh1,h2\r\n"]

    def result(content: bytes, block_bytes: int) -> object:
        monkeypatch.setattr(csv_files, "BLOCK_BYTES", block_bytes)
        try:
            return csv_files.scan_csv(io.BytesIO(content))
        except Invalid:
            return None

    sound = 0
    for _ in range(3000):
        content = (chance.choice(headers) + "".join(chance.choices(pieces, k=chance.randint(0, 16)))).encode()
        whole = result(content, 1 << 20)
        sound += whole is not None
        assert result(content, chance.randint(3, 9)) == whole, content
    assert sound > 30


def test_rows_larger_than_a_block_of_the_reader_are_read(write: WriteFile) -> None:
    wide = ",".join(["x" * 500_000] * 7) + "\n"
    path = write("a,b,c,d,e,f,g\n" + wide * 3 + "1,2,3,4,5,6,7\n" * 10)
    assert scan_file(path, "csv").total_records == 13
    assert sum(batch.num_rows for batch in open_batches(path, "csv")) == 13


def test_header_is_read_without_the_rows() -> None:
    stream = io.BytesIO(b'\n\n"a;b";c\n"never closed')
    assert read_header(stream) == (("a;b", "c"), ";")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_sections_begin_at_rows_and_are_sound(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 50)
    rows = [f'{number},"x{end}{number}, ""y"""{end}' for number in range(200)]
    content = (f"a,b{end}" + "".join(rows)).encode()
    starts = find_section_starts(io.BytesIO(content), 300)
    assert starts[0] == 0
    assert min(later - earlier for earlier, later in itertools.pairwise(starts)) >= 300
    assert len(starts) > 5
    records = scan_csv(io.BytesIO(content[: starts[1]])).records
    for start, stop in zip(starts[1:], [*starts[2:], None], strict=True):
        section = content[start:stop]
        scan_section(io.BytesIO(section), ("a", "b"), ",")
        records += section.count(b'""y"')
    assert records == 200


def test_broken_row_of_a_section_is_refused_with_its_line_in_the_section() -> None:
    with pytest.raises(Invalid, match="Line 2: 3 fields, where the header has 2") as caught:
        scan_section(io.BytesIO(b"1,2\n1,2,3\n"), ("a", "b"), ",")
    assert caught.value.code == "ragged_row"
