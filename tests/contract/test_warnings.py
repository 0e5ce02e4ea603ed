"""Warnings about data, as they are stored."""

import pytest

from dataml.contract.warnings import WARNING_CODES, DataWarning, warnings_from_json


def test_warning_is_stored_and_read() -> None:
    warning = DataWarning("nearly_numeric", "3 values are no numbers.", "x", 3, ("a", "b"))
    assert DataWarning.from_json(warning.to_json()) == warning


def test_sentence_of_an_earlier_version_is_a_note() -> None:
    assert warnings_from_json(["Too short."]) == (DataWarning("note", "Too short."),)


def test_code_of_a_newer_version_is_a_note() -> None:
    assert DataWarning.from_json({"code": "unheard_of", "message": "x"}).code == "note"


def test_unknown_code_is_refused() -> None:
    with pytest.raises(ValueError, match="unheard_of"):
        DataWarning("unheard_of", "x")


def test_codes_are_described_in_sentences() -> None:
    assert all(text.endswith(".") for text in WARNING_CODES.values())
