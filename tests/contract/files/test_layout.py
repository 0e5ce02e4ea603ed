"""Layout of CSV files: where the header stands, the delimiter, empty fields at the end of rows."""

import pytest

from dataml.contract.files.layout import CsvLayout, CsvOptions, detect_layout, suggest_header_row
from dataml.errors import Invalid


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"a,b\n1,2\n", CsvLayout(("a", "b"), ",", lines=1, start=4)),
        (b"\r\n \t\r\na;b\r\n1;2\n", CsvLayout(("a", "b"), ";", lines=3, start=11)),
        (b"sep=;\na\n1\n", CsvLayout(("a",), ";", lines=2, start=8)),
        (b'"sep=|"\r\n\r\na|b\r1|2\r', CsvLayout(("a", "b"), "|", lines=3, start=15)),
        (b"SEP=,\na;b,c\n1;2,3\n", CsvLayout(("a;b", "c"), ",", lines=2, start=12)),
        (b"a,b,\n1,2,\n", CsvLayout(("a", "b"), ",", start=5, padding=1)),
        (b"a,b,,\n1,2,,\n", CsvLayout(("a", "b"), ",", start=6, padding=2)),
        (b"a,b\n\n1,2,\n", CsvLayout(("a", "b"), ",", start=4, padding=1)),
        (b"a,b\n1,2,3\n", CsvLayout(("a", "b"), ",", start=4)),
        (b"a,b,\n1,2,3\n", CsvLayout(("a", "b", ""), ",", start=5)),
        (b"a,b,\n1,2\n", CsvLayout(("a", "b", ""), ",", start=5)),
        (b"a\n1,\n", CsvLayout(("a",), ",", start=2, padding=1)),
        (b"#id,name\n1,x\n", CsvLayout(("#id", "name"), ",", start=9)),
        (b"# of rooms,price\n1,2\n", CsvLayout(("# of rooms", "price"), ",", start=17)),
        (b"#id\n1\n", CsvLayout(("#id",), ",", start=4)),
        (b'5" bolt,b\n1,2\n', CsvLayout(('5" bolt', "b"), ",", start=10)),
        (b'"a\nb",c\n1,2\n', CsvLayout(("a b", "c"), ",", lines=2, start=8)),
        (b'"a \r\n\tb",c\n1,2\n', CsvLayout(("a b", "c"), ",", lines=2, start=11)),
    ],
)
def test_layout_is_detected(block: bytes, expected: CsvLayout) -> None:
    assert detect_layout(block, is_last=True) == expected


@pytest.mark.parametrize("block", [b"", b"a,b", b"a,b\n", b"a,b\n1,2", b'a,b\n"1\n', b"\n\n", b'"a\n'])
def test_more_is_needed_up_to_the_end_of_the_first_row(block: bytes) -> None:
    assert detect_layout(block, is_last=False) is None


def test_file_without_a_row_has_a_layout() -> None:
    assert detect_layout(b"a,b\n", is_last=True) == CsvLayout(("a", "b"), ",", start=4)
    assert detect_layout(b"\n", is_last=True) is None


@pytest.mark.parametrize(
    ("block", "header_row", "expected"),
    [
        (b'Report "x\n\nWeek 3\na,b\n1,2\n', 4, CsvLayout(("a", "b"), ",", lines=4, start=22)),
        (b"# x\n# y\r\na,b\n1,2\n", 3, CsvLayout(("a", "b"), ",", lines=3, start=13)),
        (b"sep=;\nTitle\na,b;c\n1,2;3\n", 3, CsvLayout(("a,b", "c"), ";", lines=3, start=18)),
        (b"# x\n1\n", 1, CsvLayout(("# x",), ",", start=4)),
    ],
)
def test_header_stands_in_the_line_that_is_given(block: bytes, header_row: int, expected: CsvLayout) -> None:
    options = CsvOptions(header_row=header_row)
    assert detect_layout(block, is_last=True, options=options) == expected
    for length in range(len(block)):
        assert detect_layout(block[:length], is_last=False, options=options) in (
            None,
            expected,
        )


@pytest.mark.parametrize(
    ("block", "header_row", "code"),
    [
        (b"a,b\n1,2\n", 4, "bad_header_row"),
        (b"a,b\n\n1,2\n", 2, "bad_header_row"),
        (b"a,b\n", 2, "bad_header_row"),
        (b"sep=^\na^b\n", None, "unknown_delimiter"),
        (b"# made by hand\nvalue\n1\n", None, "comment_line"),
        (b"#a\n#b\n1\n", None, "comment_line"),
        (b'a,"b"c\n1,2\n', None, "stray_quote"),
        (b'a, "b"\n1,2\n', None, "stray_quote"),
        (b'a,"b\n', None, "unterminated_quote"),
    ],
)
def test_file_without_a_clear_header_is_refused(block: bytes, header_row: int | None, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        detect_layout(block, is_last=True, options=CsvOptions(header_row=header_row))
    assert caught.value.code == code


def test_refusal_of_a_comment_names_the_line_behind_it() -> None:
    with pytest.raises(Invalid, match=r"Line 2 begins with #.*header_row=4; .*header_row=2\."):
        detect_layout(b"\n# x\n# y\nvalue\n1\n", is_last=True)


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (b"Report\n\nregion;amount\nN;1\nS;2\n", 3),
        (b"Report, week 3\nregion,amount,n\nN,1,2\n", 2),
        (b"Report,,\nregion,amount,n\nN,1,2\n", 2),
        (b"a,b\n1,2,3\n4,5,6\n", None),
        (b"a,b\n1,2\n3,4\n", None),
        (b"Report\nregion,amount\n", None),
        (b"Report\nx,x\n1,2\n", None),
        (b'Report\n"a\nb",c\n1,2\n', 2),
        (b"", None),
    ],
)
def test_line_that_looks_like_the_header_is_suggested(head: bytes, line: int | None) -> None:
    assert suggest_header_row(head) == line
