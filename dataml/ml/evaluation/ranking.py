"""How well scores put the rows of one class before those of the others, in NumPy: it is asked thousands of times over.

The areas are those of scikit-learn, rows of one score counted as one step.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np

from dataml.ml.json_numbers import finite_or_none, ratio_or_none, to_json_numbers

MAX_POINTS: Final = 200
_THRESHOLDS: Final = np.arange(21) / 20


class AucScores(NamedTuple):
    """Under the ROC and under the precision-recall curve (average precision); NaN where a class has no rows."""

    roc: np.ndarray
    pr: np.ndarray


def compute_auc_scores(positive: np.ndarray, negative: np.ndarray) -> AucScores:
    """Of rows counted by class, (..., groups), where a group has one score and the highest comes first."""
    hits, chosen = positive.cumsum(axis=-1), (positive + negative).cumsum(axis=-1)
    positives, rows = hits[..., -1].copy(), chosen[..., -1].copy()
    beaten = _product(negative, hits) - _product(negative, positive) / 2
    # In place: this is what a bootstrap spends its time on.
    precision = np.divide(hits, np.maximum(chosen, 1, out=chosen), out=chosen)
    with np.errstate(divide="ignore", invalid="ignore"):
        return AucScores(beaten / (positives * (rows - positives)), _product(positive, precision) / positives)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...g,...g->...", a, b)


@dataclass(frozen=True)
class RankingCurve:
    """Rows of two classes in groups of one score, the highest first: `score`, `positive` and `negative` (groups,)."""

    score: np.ndarray
    positive: np.ndarray
    negative: np.ndarray

    @classmethod
    def of(cls, is_positive: np.ndarray, score: np.ndarray) -> Self:
        order = np.argsort(-score, kind="stable")
        descending = score[order]
        starts = first_of_each(descending)
        positive = np.add.reduceat(is_positive[order].astype(np.float64), starts)
        rows = np.diff(np.append(starts, len(score)))
        return cls(descending[starts], positive, rows - positive)

    @property
    def auc_scores(self) -> AucScores:
        return compute_auc_scores(self.positive, self.negative)

    def condensed(self, groups: int) -> Self:
        """The same in some `groups` for each class, which hold equally many of its rows.

        A class with fewer rows than that keeps a group for each of them, so that few positives among many rows keep
        their exact places.
        """

        def key(counts: np.ndarray) -> np.ndarray:
            total = max(counts.sum(), 1)
            part = np.floor(counts.cumsum() * groups / total)
            return 2 * part + (counts == 0) if total <= groups else part

        keys = np.stack([key(self.positive), key(self.negative)])
        starts = np.flatnonzero(np.append(True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)))
        positive, negative = (np.add.reduceat(counts, starts) for counts in (self.positive, self.negative))
        return type(self)(self.score[starts], positive, negative)

    def roc_curve(self) -> dict[str, list[float | None]] | None:
        """At most 200 points; None when one class has no rows."""
        hits, alarms = np.append(0, self.positive.cumsum()), np.append(0, self.negative.cumsum())
        if not hits[-1] or not alarms[-1]:
            return None
        recall, alarm_rate = hits / hits[-1], alarms / alarms[-1]
        kept = _thinned(recall + alarm_rate)
        return {
            "false_positive_rate": to_json_numbers(alarm_rate[kept]),
            "true_positive_rate": to_json_numbers(recall[kept]),
        }

    def pr_curve(self) -> dict[str, list[float | None]] | None:
        """At most 200 points; None when no row is positive."""
        hits, chosen = self.positive.cumsum(), (self.positive + self.negative).cumsum()
        if not hits[-1]:
            return None
        recall, precision = hits / hits[-1], hits / chosen
        kept = _thinned(recall, MAX_POINTS - 1)
        points = {"recall": recall[kept], "precision": precision[kept]}
        # The first group's precision holds from the very beginning.
        return {name: to_json_numbers(np.append(0 if name == "recall" else v[0], v)) for name, v in points.items()}

    def thresholds(self) -> dict[str, Any]:
        """What it means to call a row positive from a probability on: a `table` of 21, and the best of all that differ.

        `best_f1` has the largest F1, `best_youden` the largest J = recall + specificity - 1 (Youden 1950); each is a
        row like those of the table, None when it is not defined.
        """
        hits, chosen = self.positive.cumsum(), (self.positive + self.negative).cumsum()
        positives, rows = hits[-1], chosen[-1]
        table = []
        for threshold in _THRESHOLDS:
            groups = int(np.searchsorted(-self.score, -threshold, side="right"))
            here = (hits[groups - 1], chosen[groups - 1]) if groups else (0.0, 0.0)
            table.append(_operating_point(threshold, *here, positives, rows))

        def best(gain: np.ndarray) -> dict[str, float | None]:
            group = int(gain.argmax())
            return _operating_point(self.score[group], hits[group], chosen[group], positives, rows)

        negatives = rows - positives
        f1 = 2 * hits / (positives + chosen)
        youden = hits / positives - (chosen - hits) / negatives if positives and negatives else None
        return {
            "table": table,
            "best_f1": best(f1) if positives else None,
            "best_youden": None if youden is None else best(youden),
        }


def _operating_point(
    threshold: float, hits: float, chosen: float, positives: float, rows: float
) -> dict[str, float | None]:
    negatives, alarms = rows - positives, chosen - hits
    recall, specificity = ratio_or_none(hits, positives), ratio_or_none(negatives - alarms, negatives)
    return {
        "threshold": finite_or_none(threshold),
        "precision": ratio_or_none(hits, chosen),
        "recall": recall,
        "f1_score": ratio_or_none(2 * hits, positives + chosen),
        "specificity": specificity,
        "youden_j": None if recall is None or specificity is None else recall + specificity - 1,
        "predicted_positive": ratio_or_none(chosen, rows),
    }


def first_of_each(ordered: np.ndarray) -> np.ndarray:
    """Where in `ordered` a value begins that is not the one before it."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))


def _thinned(position: np.ndarray, points: int = MAX_POINTS) -> np.ndarray:
    """Indices of at most so many points of a curve, spread evenly over `position` (ascending), both ends included."""
    if len(position) <= points:
        return np.arange(len(position))
    wanted = np.linspace(position[0], position[-1], points - 1)
    return np.unique(np.append(np.searchsorted(position, wanted), len(position) - 1))


class AucInfluence(NamedTuple):
    """A ROC AUC, and for each row how fast it grows with that row's weight (DeLong, DeLong and Clarke-Pearson 1988)."""

    auc: float
    growth: np.ndarray


def roc_auc(is_positive: np.ndarray, score: np.ndarray) -> float:
    """NaN where a class has no rows. Sorts the rows of one class only: cheap for one class among many."""
    positive, negative = score[is_positive], np.sort(score[~is_positive])
    return float(_share_below(positive, negative).mean()) if len(positive) and len(negative) else float("nan")


def auc_influence(is_positive: np.ndarray, score: np.ndarray) -> AucInfluence:
    """What `roc_auc` gives, and its growth; both classes have rows."""
    positive, negative = score[is_positive], score[~is_positive]
    beaten = _share_below(positive, np.sort(negative))
    auc = float(beaten.mean())
    growth = np.empty(len(score))
    growth[is_positive] = (beaten - auc) / len(positive)
    growth[~is_positive] = (1 - _share_below(negative, np.sort(positive)) - auc) / len(negative)
    return AucInfluence(auc, growth)


def _share_below(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """The share of `ordered` below each of `values`, where an equal one counts half."""
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(ordered))
