"""Classes of which there are too few rows."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from dataml.contract.warnings import MAX_EXAMPLES, DataWarning
from dataml.ml.labels import shorten

FEW_ROWS: Final = 10
RARE_SHARE: Final = 0.05


def find_rare_classes(target: str, labels: Sequence[str], codes: np.ndarray, positive: int) -> list[DataWarning]:
    """Return warnings about classes with fewer than FEW_ROWS rows, and about a class below RARE_SHARE of two.

    Args:
        target: the column.
        labels: the classes as text.
        codes: the class of each row.
        positive: the code of the positive one of two classes.
    """
    counts = np.bincount(codes, minlength=len(labels))
    few, rarest = np.flatnonzero(counts < FEW_ROWS), int(counts.argmin())
    warnings: list[DataWarning] = []
    if len(few):
        shown: list[int] = few[np.argsort(counts[few], kind="stable")][:MAX_EXAMPLES].tolist()
        named = ", ".join(f"'{shorten(labels[code])}' ({counts[code]:,})" for code in shown)
        more = f" and {len(few) - len(shown):,} more" if len(few) > len(shown) else ""
        message = (
            f"Classes of '{target}' with fewer than {FEW_ROWS} rows, of which little can be learned: {named}{more}. "
            "Collect more rows, or merge these classes."
        )
        examples = tuple(shorten(labels[code]) for code in shown)
        warnings.append(DataWarning("few_rows_per_class", message, target, len(few), examples))
    share = counts[rarest] / max(1, counts.sum())
    if len(labels) == 2 and share < RARE_SHARE:
        name = shorten(labels[rarest])
        advice = "look at precision, recall, PR AUC and the thresholds"
        if rarest != positive:
            advice = f"send positive_class '{name}' to have the scores of this class"
        message = f"Only {share:.1%} of the rows are '{name}': accuracy says little; {advice}."
        warnings.append(DataWarning("rare_class", message, target, int(counts[rarest]), (name,)))
    return warnings
