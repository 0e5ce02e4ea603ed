"""What stands for a missing value."""

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dataml.contract.columns import parse_column
from dataml.contract.types import DataType
from dataml.contract.value_format import MISSING_MARKERS, ValueFormat
from dataml.contract.values import parse_value

NOT_TEXT = [data_type for data_type in DataType if data_type is not DataType.STRING]
WRITTEN = [
    "NA",
    "N/A",
    "n/a",
    "null",
    "NULL",
    "None",
    "nan",
    "NaN",
    "#N/A",
    "#NULL!",
    "#WERT!",
    "#¿NOMBRE?",
    "#SAKNAS!",
    "#VÆRDI!",
    "#PUUTTUU!",
    "#DZIEL/0!",
    "#HIÁNYZIK",
    "#SAYI!",
    "#\u041d/\u0414",
    "#ERROR!",
    "Loading...",
    "Err:502",
    "-1.#IND00",
    "-nan(ind)",
    "1900-01-00",
    "\u2212",
    "k. A.",
    "0000-00-00",
    "00.00.0000",
    ".a",
    "-",
    "--",
    "?",
    ".",
    "(blank)",
    " ",
]


@pytest.mark.parametrize("data_type", NOT_TEXT)
@pytest.mark.parametrize("text", [*WRITTEN, *sorted(MISSING_MARKERS)])
def test_marker_is_missing_in_any_column_but_a_string(data_type: DataType, text: str) -> None:
    assert parse_value(text, data_type) is None
    assert parse_value(f" {text} ", data_type) is None


@pytest.mark.parametrize("text", WRITTEN)
def test_marker_is_text_in_a_string(text: str) -> None:
    assert parse_value(text, DataType.STRING) == text


def test_own_markers_replace_the_usual_ones() -> None:
    own = ValueFormat(missing_values=("-999", "k.A."))
    assert parse_value("-999", DataType.INTEGER, own) is None
    assert parse_value("K.a.", DataType.FLOAT, own) is None
    assert parse_value("k.A.", DataType.STRING, own) is None
    assert parse_value("K.a.", DataType.STRING, own) == "K.a."
    with pytest.raises(Exception, match="not a number"):
        parse_value("NA", DataType.FLOAT, own)


@pytest.mark.parametrize("data_type", [DataType.INTEGER, DataType.FLOAT, DataType.STRING])
@pytest.mark.parametrize("cells", [["-999", "7"], [-999, 7], [-999.0, 7.0]])
def test_own_marker_may_be_a_number(data_type: DataType, cells: list[Any]) -> None:
    own = ValueFormat(missing_values=("-999",))
    assert parse_column(pa.array(cells), data_type, own).values.is_null().to_pylist() == [True, False]
    assert [parse_value(cell, data_type, own) is None for cell in cells] == [True, False]


def test_blanks_around_a_text_are_left_out_when_asked() -> None:
    assert parse_value("  new york ", DataType.STRING, ValueFormat(strip=True)) == "new york"
    assert parse_value("   ", DataType.STRING, ValueFormat(strip=True)) is None
    assert parse_value("  new york ", DataType.STRING) == "  new york "


def test_own_marker_is_missing_however_its_value_is_written() -> None:
    marked = ValueFormat(missing_values=("-999", "2.5"))
    german = ValueFormat(number_format="1.234,5", missing_values=("-999", "1.500,5"))
    never = ValueFormat(missing_values=("9999-12-31",))
    day = datetime.date(9999, 12, 31)
    for data_type, value_format, values in [
        (DataType.FLOAT, marked, ["-999", "-999.0", "-9.99e2", -999, -999.0, Decimal("-999.00"), "2.50"]),
        (DataType.INTEGER, marked, ["-999", "-999.0", -999]),
        (DataType.FLOAT, german, ["-999", "-999,0", "1500,5", 1500.5]),
        (DataType.DATE, never, ["9999-12-31", "31.12.9999", day]),
        (DataType.TIMESTAMP, never, ["9999-12-31", "9999-12-31T00:00:00Z", day]),
    ]:
        for value in values:
            assert parse_value(value, data_type, value_format) is None, (data_type, value)
            assert parse_column(pa.array([value]), data_type, value_format).values.to_pylist() == [None], value
    assert parse_value("-999.5", DataType.FLOAT, marked) == -999.5
    assert parse_value("-999.0", DataType.STRING, marked) == "-999.0"
    assert parse_value("NA", DataType.STRING, marked) == "NA"
