"""The decision threshold of two classes: the probability from which on a row is predicted as the positive class."""

import math
from typing import Final

DEFAULT_THRESHOLD: Final = 0.5
"""That of the more probable class; where both are equally probable, the first class is predicted."""

ONLY_WITH_TWO_CLASSES: Final = "only_with_two_classes"
"""The code of the error of a threshold for a model that has not two classes."""


def to_threshold(probability: float) -> float | None:
    """Return a threshold that a report found best as one between 0 and 1; None where there is none.

    Instead of 1 it is the largest number below 1, from which on the same rows are predicted as positive. There is none
    for 0, from which on all rows are.
    """
    return min(probability, math.nextafter(1.0, 0.0)) if probability > 0 else None
