"""The structure of CSV files: sound ones are read as they were scanned, broken ones are refused with the line."""

import csv
import io
import itertools
import random
import re

import pytest

from dataml.contract.contract import MAX_COLUMNS
from dataml.contract.files import csv as csv_files
from dataml.contract.files import csv_rows
from dataml.contract.files.csv import find_section_starts, read_layout, scan_csv, scan_section
from dataml.contract.files.layout import CsvLayout, CsvOptions
from dataml.contract.files.reading import open_batches, read_column_names, scan_file, scan_file_section, split_file
from dataml.contract.files.sections import WHOLE_FILE
from dataml.contract.files.text import open_text
from dataml.errors import Invalid
from tests.contract.files.uploads import WriteFile, read_rows, refused_code


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
        ("a,b\n1,2\n   ", [("1", "2")]),
        ("a,b\n1,2\n \t\r\n\n3,4\n \n", [("1", "2"), ("3", "4")]),
        ("a\tb\n1\t2\n \n\t\n", [("1", "2"), (None, None)]),
        ("a\n1\n \n2\n  ", [("1",), (" ",), ("2",)]),
        ('a,b\n1,5" bolt\n2,6" x 7"\n', [("1", '5" bolt'), ("2", '6" x 7"')]),
        ('a,b\n5",6"\n"x\n,y",7"\n', [('5"', '6"'), ("x\n,y", '7"')]),
        ('5" bolt,b\n1,2\n', [("1", "2")]),
        ('a,b\nx""y,"z"\n', [('x""y', "z")]),
        ("a,b,\n1,2,\n,,\n \n3,4,\n", [("1", "2"), (None, None), ("3", "4")]),
        ("a,b\r\n1,2,\r\n3,4,\r\n", [("1", "2"), ("3", "4")]),
        ("a,b,,\n1,2,,\n", [("1", "2")]),
        ("a\n1,\n\n2,", [("1",), ("2",)]),
        ("sep=,\na;b,c\n1;2,3\n", [("1;2", "3")]),
        ("\ufeffsep=;\r\na;b\r\n1;2\r\n", [("1", "2")]),
        ("a,b\n1,2\n\0\0\0", [("1", "2")]),
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
        (b"a,b\n1,2\0\0", "nul_byte", "Line 2"),
        (b"a,b\n1,2\n\0\n", "nul_byte", "Line 3"),
        ("a,b\n1,2\n".encode("utf-16-le"), "nul_byte", "upload with encoding=utf-16-le"),
        ("a,b\n1,2\n".encode("utf-16"), "not_utf8", "upload with encoding=utf-16,"),
        (b"a,b\n1,2\n1,caf\xe9\n", "not_utf8", "upload with encoding=cp1252 if 'caf\u00e9' is right"),
        (b"a,b\n1,2,\n3,4\n", "ragged_row", "Line 3: 2 fields, where the first row has 3"),
        (b"a,b\n1,2\n3,4,\n", "ragged_row", "Line 3: 3 fields, where the header has 2"),
        (b"a,b,\n1,2,\n3,4,5\n", "empty_column_name", "Line 3: a field has a value"),
        (b"a,b\n1,2,\n3,4,5\n", "empty_column_name", "Line 3: a field has a value"),
        (b"a,b,\n1,2,3\n", "empty_column_name", "Column 3 has no name"),
        (b'a,b\n1,2\n" "\n', "ragged_row", "Line 3: 1 field"),
        (b"Report\n\na,b\n1,2\n", "ragged_row", "If line 3 is the header, upload with header_row=3."),
        (b"Report,,\na,b,c\n1,2,3\n", "empty_column_name", "If line 2 is the header, upload with header_row=2."),
        (b"# x\na\n1\n", "comment_line", "header_row=2"),
        (b"sep=x\na\n1\n", "unknown_delimiter", "'x'"),
        (
            b"a,b\n1\n2,3\n4\n" + b"5\n" * 9,
            "ragged_row",
            "header has 2; 11 lines do not fit the header: 2, 4, 5, 6, 7, ...",
        ),
        (b"a,b\n\n1,2,3\n", "ragged_row", "Line 3: 3 fields, where the header has 2"),
        (b'a,b\n"x\ny",2\n1\n', "ragged_row", "Line 4: 1 field, where"),
        (b"a,a\n1,2\n", "duplicate_column", "'a'"),
        (b"a, a \n1,2\n", "duplicate_column", "'a'"),
        (b"a,\n1,2\n", "empty_column_name", "Column 2"),
        (b",\n1,2\n", "empty_column_name", "Column 2"),
        (b'""\n1\n', "empty_column_name", "Column 1"),
        (b",column_1\nx,2\n", "empty_column_name", "Column 1"),
        (b",column_1,a,a\n0,2,3,4\n", "duplicate_column", "'a'"),
        (b",column_1\x07\n0,2\n", "bad_column_name", "column 2"),
        (b"a,b\n1,2,3\n4,5,6\n", "ragged_row", "put a name for it into the header"),
        (b"a;b\n1;2;3\n4;5\n", "ragged_row", "Line 3: 2 fields, where the first row has 3"),
        (b"Report;2024\na;b;c\n1;2;3\n", "ragged_row", "with header_row=2; if the first field is the name of its row"),
        (b"a\x07,b\n1,2\n", "bad_column_name", "column 1"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "unterminated_quote", "Line 3"),
        (b'a,b\n1,"', "unterminated_quote", "Line 2"),
        (b'a,"b\n1,2\n', "unterminated_quote", "Line 1"),
        (b'a,b\n1,"2"x\n', "stray_quote", "Line 2: text follows"),
        (b'a,b\n1,"5" pipe\n', "stray_quote", "Line 2: text follows"),
        (b'a,b\n1,5" pipe\n2,"3" pipe\n', "stray_quote", "Line 3: text follows"),
        (b'a,b\n1, "5"\n', "stray_quote", "Line 2: blanks stand before"),
        (b'a,b\n1,5" x\n "2",3\n', "stray_quote", "Line 3: blanks stand before"),
        (b'a,b\n1,5" pipe\n2,"3\n', "unterminated_quote", "Line 3"),
        (b'a,b\n1,5" pipe\n2\n', "ragged_row", "Line 3"),
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
    assert read_rows(path) == [("1", "2", "3")]


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
    pieces += ['5" x', "\t", "  ", '5"']
    headers = ["h1,h2\n", '"h1","h\n2"\r\n', "\n\nh1,h2\r", "\ufeffh1,h2\r\n", "h1,h2,\n", "sep=,\nh1,h2\n"]

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
    assert read_layout(stream) == CsvLayout(("a;b", "c"), ";", lines=3, start=10)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_sections_begin_at_rows_and_are_sound(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 50)
    rows = [f'{number},"x{end}{number}, ""y"""{end}' for number in range(200)]
    content = (f"a,b{end}" + "".join(rows)).encode()
    starts = find_section_starts(io.BytesIO(content), 300, CsvLayout(("a", "b"), ",", start=3 + len(end)))
    assert starts[0] == 0
    assert min(later - earlier for earlier, later in itertools.pairwise(starts)) >= 300
    assert len(starts) > 5
    records = scan_csv(io.BytesIO(content[: starts[1]])).records
    for start, stop in zip(starts[1:], [*starts[2:], None], strict=True):
        section = content[start:stop]
        scan_section(io.BytesIO(section), CsvLayout(("a", "b"), ","))
        records += section.count(b'""y"')
    assert records == 200


def test_broken_row_of_a_section_is_refused_with_its_line_in_the_section() -> None:
    with pytest.raises(Invalid, match="Line 2: 3 fields, where the header has 2") as caught:
        scan_section(io.BytesIO(b"1,2\n1,2,3\n"), CsvLayout(("a", "b"), ","))
    assert caught.value.code == "ragged_row"


FIELDS = ["1", "", "é", " ", " x", "\t", '5"', '5" x 3"', '"q"', '"q,r"', '"q\nr"', '"\r\n"', '"q""r"', '""', 'x""']
FIELDS += ['a"b"c']
ODD_FIELDS = [*FIELDS, ",", '"', '"x" ', ' "x"', "5'", '"x"y']


def test_scanner_and_readers_agree_on_every_file(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scanner accepts, pyarrow.csv reads as Python's csv module does."""
    chance = random.Random(9)
    sound = numbered = repeated = 0
    for _ in range(3_000):
        width, padding = chance.choice([1, 2, 2, 3]), chance.choice(["", "", ","])
        fields = chance.choice([FIELDS, ODD_FIELDS])
        rows = [",".join(chance.choices(fields, k=width)) + padding for _ in range(chance.randint(1, 6))]
        names = ["h1", "h2", "h3"][:width]
        if width > 1 and chance.random() < 0.3:
            names[0] = ""
            first = chance.choice([0, 1])
            if chance.random() < 0.7:
                rows = [f"{number}," + ",".join(chance.choices(fields, k=width - 1)) for number in range(first, 4)]
        header = ",".join(names) + chance.choice(["", padding])
        while chance.random() < 0.3:
            rows.insert(chance.randint(0, len(rows)), header)
        end = chance.choice(["\n", "\r\n", "\r", "\n\n", "\n \n"])
        text = end.join([header, *rows]) + chance.choice(["", end])
        path = write(text + (chance.choice(["", "  ", "\0"]) if text.endswith(end) else ""))
        text = re.sub(r"(?<=[\r\n]) +\Z", "", text)
        monkeypatch.setattr(csv_files, "BLOCK_BYTES", chance.choice([5, 9, 1 << 20]))
        monkeypatch.setattr(csv_rows, "MAX_ROW_BYTES", chance.choice([64, 1 << 20]))
        try:
            summary = scan_file(path, "csv")
        except Invalid:
            continue
        sound += 1
        with open_text(path) as stream:
            layout = read_layout(stream)
        is_single = layout.fields == 1
        expected = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
        header_fields, *expected = expected
        expected = [row for row in expected if is_single or len(row) > 1 or row[0].strip(" \t")]
        repeats = sum(row == header_fields for row in expected) if len(header_fields) > 1 else 0
        expected = [row for row in expected if not repeats or row != header_fields]
        expected = [row[: len(layout.header)] for row in expected]
        numbers = [row[0] for row in expected]
        is_numbered = not layout.header[0] and numbers in (
            [str(number) for number in range(first, first + len(numbers))] for first in (0, 1)
        )
        numbered += is_numbered
        repeated += bool(repeats)
        assert (summary.csv.has_row_numbers, summary.csv.repeated_headers) == (is_numbered, repeats), text
        expected = [tuple(cell or None for cell in row[is_numbered:]) for row in expected]
        assert read_rows(path, summary.csv) == expected, text
        assert summary.total_records == len(expected)
    assert min(numbered, repeated) > 100
    assert sound > 1_000


def test_options_of_a_file_are_used_by_all_readers(write: WriteFile) -> None:
    rows = "".join(f"{number};größe\n" for number in range(50))
    path = write(f'Titel "x\nnummer;wörter\n{rows}'.encode("cp1252"))
    options = CsvOptions("cp1252", 2)
    assert refused_code(path) == "not_utf8"
    summary = scan_file(path, "csv", options=options)
    assert (summary.names, summary.total_records, summary.delimiter) == (("nummer", "wörter"), 50, ";")
    assert read_column_names(path, "csv", options) == summary.names
    assert read_rows(path, options) == [(str(number), "größe") for number in range(50)]
    assert split_file(path, "csv", 100, options) == [WHOLE_FILE]
    scan_file_section(path, "csv", WHOLE_FILE, options)


def test_sections_of_a_file_with_titles_and_inch_marks_are_all_of_it(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 64)
    rows = [f'{number},{number}" x\n' if number % 2 else f'{number},"x,\n5"",{number}"\n' for number in range(300)]
    path = write('\ufeffTitle "5\n\na,b\n' + "".join(rows))
    options = CsvOptions(header_row=3)
    sections = split_file(path, "csv", 500, options)
    assert len(sections) > 3
    numbers = []
    for section in sections:
        scan_file_section(path, "csv", section, options)
        for batch in open_batches(path, "csv", ["a"], section, options=options):
            numbers += batch.column(0).to_pylist()
    assert numbers == [str(number) for number in range(300)]


def test_large_first_row_is_refused_with_its_line(write: WriteFile) -> None:
    path = write(b'a,b\n1,"' + b"x" * (9 << 20))
    with pytest.raises(Invalid, match="Line 2"):
        scan_file(path, "csv")
