"""Delimiters that a user says."""

import pytest

from dataml.contract.files.delimiters import parse_delimiter
from dataml.contract.files.layout import CsvOptions
from dataml.contract.files.reading import scan_file
from dataml.errors import Invalid
from tests.contract.files.uploads import WriteFile, read_rows


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        *((each, each) for each in ",;\t| ^\\~\x01"),
        *(("comma", ","), ("semicolon", ";"), ("Tab", "\t"), ("\\t", "\t"), ("pipe", "|"), ("space", " ")),
    ],
)
def test_delimiter_is_a_character_or_its_name(text: str, delimiter: str) -> None:
    assert parse_delimiter(text) == delimiter


@pytest.mark.parametrize("text", ["", ",,", "a", "7", '"', "\n", "\r", "\0", "§", "colon", "::", "é"])
def test_other_delimiters_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_delimiter(text)
    assert caught.value.code == "unknown_delimiter"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " ", "^", "\\", ".", "-", "*", "$", "[", "]", "\x01", "'"])
def test_file_with_any_delimiter_is_read(write: WriteFile, delimiter: str) -> None:
    lines = [["a", "b c"], ["1", f"x{delimiter}y"], ["2", 'q"r'], ["", "z"]]
    fields = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' if cell else "" for cell in line] for line in lines]
    path = write("".join(delimiter.join(line) + "\n" for line in fields))
    summary = scan_file(path, "csv", options=CsvOptions(delimiter=delimiter))
    assert (summary.names, summary.delimiter, summary.csv.delimiter) == (("a", "b c"), delimiter, delimiter)
    assert read_rows(path, summary.csv) == [tuple(cell or None for cell in line) for line in lines[1:]]


def test_delimiter_that_is_said_comes_before_the_line_of_excel(write: WriteFile) -> None:
    path = write("sep=;\na,b;c\n1,2;3\n")
    options = CsvOptions(delimiter=",")
    assert scan_file(path, "csv", options=options).names == ("a", "b;c")
    assert read_rows(path, options) == [("1", "2;3")]
