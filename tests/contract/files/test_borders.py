"""Borders of fields: quotes around fields, quotes in text, ends of rows."""

import csv
import random

import numpy as np
import pytest

from dataml.contract.files.borders import (
    count_lines,
    find_blanks_before_quote,
    find_borders,
    find_row_end,
    split_row,
    without_quoted,
)


@pytest.mark.parametrize(
    ("block", "delimiter", "outside"),
    [
        (b"a,b\n", ",", [1, 3]),
        (b'"a,\n",b\n', ",", [5, 7]),
        (b'5" x,6"\n', ",", [4, 7]),
        (b'5",6"\n"a,b"\n', ",", [2, 5, 11]),
        (b'a"",",",b\n', ",", [3, 7, 9]),
        (b'a"b",c\r\n', ",", [4, 6, 7]),
        (b'"a""b",c\n', ",", [6, 8]),
        (b'x,5"\n"a\nb",1\n', ",", [1, 4, 10, 12]),
        (b'x;5"\n";";1\n', ";", [1, 4, 8, 10]),
    ],
)
def test_borders_outside_quoted_fields_are_found(block: bytes, delimiter: str, outside: list[int]) -> None:
    assert find_borders(block, delimiter).outside().tolist() == outside


@pytest.mark.parametrize(
    ("block", "bad", "opened"),
    [
        (b'"a",b\n', None, None),
        (b'"a"b,c\n', 2, None),
        (b'5" b,"c"d\n', 7, None),
        (b'"a" ,c\n', 2, None),
        (b'"a""\n', None, 3),
        (b'5","b\nc', None, 3),
        (b'x,5"', None, None),
    ],
)
def test_quotes_that_do_not_close_a_field_are_found(block: bytes, bad: int | None, opened: int | None) -> None:
    borders = find_borders(block, ",")
    assert (borders.bad_quote(), borders.opened()) == (bad, opened)


@pytest.mark.parametrize(
    ("block", "delimiter", "position"),
    [
        (b' "a"\n', ",", 1),
        (b'1, \t"a"\n', ",", 4),
        (b'1\n "a"\n', ",", 3),
        (b'1,a "b"\n', ",", None),
        (b'5" a,"b, ""c"\n', ",", None),
        (b'5"\t\t"x"\n', "\t", None),
        (b'5"\t "x"\n', "\t", 4),
        (b'"a", b\n', ",", None),
    ],
)
def test_blanks_before_a_quote_are_found(block: bytes, delimiter: str, position: int | None) -> None:
    assert find_blanks_before_quote(block, find_borders(block, delimiter), delimiter) == position


@pytest.mark.parametrize(
    ("block", "start", "end"),
    [
        (b"a,b\nc", 0, 3),
        (b"a,b\nc\r\n", 4, 5),
        (b'"a\nb",c\n', 0, 7),
        (b'a,5"\nb"\n', 0, 4),
        (b'a;"b\nc"\n', 0, 7),
        (b"a,b", 0, None),
        (b'"a\nb', 0, None),
        (b'a,"b\n', 0, None),
    ],
)
def test_end_of_a_row_is_found(block: bytes, start: int, end: int | None) -> None:
    assert find_row_end(block, start, ",;\t|") == end


def test_row_is_split_into_fields() -> None:
    assert split_row('a,"b,""c""",,5" d', ",") == ["a", 'b,"c"', "", '5" d']
    assert without_quoted(b'a,"b;c";5" d', ",;") == b'a,;5" d'


def test_lines_are_counted_by_any_line_end() -> None:
    assert count_lines(b"a\nb\r\nc\rd\r\r\n") == 5
    assert count_lines(b"") == 0


def test_fields_are_those_of_the_csv_module() -> None:
    chance = random.Random(1)
    fields = ["a", '5"', '5" x 3"', '"b,c"', '"d""e"', '"f\ng"', "", '""', 'h""', 'i"j"k']
    for _ in range(500):
        rows = [[chance.choice(fields) for _ in range(3)] for _ in range(4)]
        text = "\n".join(",".join(row) for row in rows) + "\n"
        borders = find_borders(text.encode(), ",")
        ends = borders.outside()
        parts = [text[start:end] for start, end in zip(np.r_[-1, ends] + 1, ends, strict=False)]
        expected = [cell for row in csv.reader(text.splitlines(keepends=True)) for cell in row]
        assert [split_row(part, "\0")[0] for part in parts] == expected
        assert borders.bad_quote() is borders.opened() is None
