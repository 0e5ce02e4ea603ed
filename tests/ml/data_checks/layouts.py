"""Layouts of matrices for the checks of training data."""

from dataml.contract.types import DataType
from dataml.ml.encoding import EncodedColumn, Encoding


def number(name: str) -> EncodedColumn:
    """Return a column of numbers."""
    return EncodedColumn(name, name, DataType.FLOAT, Encoding.NUMBER)


def category(name: str, *vocabulary: str) -> EncodedColumn:
    """Return a column of texts."""
    return EncodedColumn(name, name, DataType.STRING, Encoding.CATEGORY, vocabulary)
