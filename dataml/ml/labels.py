"""Classes, values and column names as the texts that predictions, files and charts show."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

MAX_LABEL_LENGTH: Final = 40


def to_label(value: object) -> str:
    """Return a class or a category as text, booleans as JSON writes them (`true`, `false`)."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def shorten(text: str, max_length: int = MAX_LABEL_LENGTH) -> str:
    """Return `text` cut to `max_length` characters, the last of which is then an ellipsis."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def distinct_labels(texts: Sequence[str]) -> list[str]:
    """Return a short label for each text, numbered where several would be equal.

    A chart draws what has the same label in the same place.
    """
    counts: Counter[str] = Counter()
    labels: list[str] = []
    for text in texts:
        label = shorten(text)
        counts[label] += 1
        labels.append(label if counts[label] == 1 else f"{label} ({counts[label]})")
    return labels
