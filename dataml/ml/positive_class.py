"""The positive one of two classes: the class that precision, recall, F1, curves and thresholds are about."""

import re
from collections.abc import Sequence
from typing import Any, Final

from dataml.contract.dates import InvalidValue
from dataml.contract.types import DataType
from dataml.contract.values import parse_value
from dataml.ml.labels import to_label

NEGATIVE_AND_POSITIVE: Final = (
    ("false", "true"),
    ("no", "yes"),
    ("n", "y"),
    ("f", "t"),
    ("0", "1"),
    ("-1", "1"),
    ("-", "+"),
    *(("nein", "ja"), ("nej", "ja"), ("nei", "ja"), ("nee", "ja"), ("non", "oui"), ("no", "sí"), ("no", "si")),
    *(("no", "sì"), ("não", "sim"), ("nao", "sim"), ("nie", "tak"), ("ei", "kyllä"), ("ne", "ano"), ("nem", "igen")),
    *(("hay\u0131r", "evet"), ("hayir", "evet")),
    *(("нет", "да"), ("いいえ", "はい"), ("否", "是"), ("falsch", "wahr"), ("faux", "vrai"), ("falso", "verdadero")),
    *(("falso", "vero"), ("falso", "verdadeiro"), ("onwaar", "waar"), ("falskt", "sant"), ("fałsz", "prawda")),
)
"""Pairs of labels, in any case and in several languages, of which the second is positive."""

POSITIVE_WORDS: Final = frozenset(
    {
        *("positive", "pos", "present", "fraud", "fraudulent", "churn", "churned"),
        *("spam", "defaulted", "malignant", "anomaly", "failure"),
    }
)
"""Labels, in any case, that are positive when the other class has none of them."""

_NEGATION: Final = re.compile(r"(?:no|not|non|un)[\s_-]*")


def choose_positive_class(classes: Sequence[Any], counts: Sequence[int]) -> int:
    """Return the code of the positive one of two classes.

    It is the one that the labels themselves say: the second of `NEGATIVE_AND_POSITIVE`, the one that the other negates
    (`churn` and `no churn`), or the only one of `POSITIVE_WORDS`. Otherwise it is the class with fewer rows, and the
    second where both have as many.

    Args:
        classes: two values of the target.
        counts: rows of each.
    """
    labels = [to_label(value).strip().casefold() for value in classes]
    for positive, negative in ((1, 0), (0, 1)):
        if (labels[negative], labels[positive]) in NEGATIVE_AND_POSITIVE:
            return positive
    for positive, negative in ((1, 0), (0, 1)):
        negation = _NEGATION.match(labels[negative])
        if negation is not None and labels[negative][negation.end() :] == labels[positive]:
            return positive
    is_positive = [label in POSITIVE_WORDS for label in labels]
    if is_positive[0] != is_positive[1]:
        return is_positive.index(True)
    return 0 if counts[0] < counts[1] else 1


def find_class(classes: Sequence[Any], value: object, data_type: DataType) -> int | None:
    """Return the code of the class that a value of a request names, by its label or in another spelling of its type."""
    labels = [to_label(each) for each in classes]
    if to_label(value) in labels:
        return labels.index(to_label(value))
    try:
        typed = parse_value(value, data_type)
    except InvalidValue:
        return None
    return next((code for code, each in enumerate(classes) if typed is not None and each == typed), None)


def resolve_positive_code(classes: Sequence[Any] | None, positive_class: object) -> int:
    """Return the code of a recorded positive class; the second where none was recorded, as in earlier versions."""
    if positive_class is None or classes is None or len(classes) != 2:
        return 1
    return list(classes).index(positive_class)
