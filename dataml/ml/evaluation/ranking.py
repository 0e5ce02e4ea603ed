"""How well scores rank the rows of one class before those of the others.

It is in NumPy, for the bootstrap computes it thousands of times. The areas are those of scikit-learn, where rows of one
score count as one step.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np

from dataml.ml.json_numbers import finite_or_none, ratio_or_none, to_json_numbers

MAX_POINTS: Final = 200
_THRESHOLDS: Final = np.arange(21) / 20


class AucScores(NamedTuple):
    """Areas under the ROC and the precision-recall curve (average precision); NaN where a class has no rows."""

    roc: np.ndarray
    pr: np.ndarray


def compute_auc_scores(positive: np.ndarray, negative: np.ndarray) -> AucScores:
    """Return the areas of rows counted by class.

    Both arrays are (..., groups), where a group has one score and the highest score comes first.
    """
    hits, flagged = positive.cumsum(axis=-1), (positive + negative).cumsum(axis=-1)
    positives, rows = hits[..., -1].copy(), flagged[..., -1].copy()
    beaten = _dot(negative, hits) - _dot(negative, positive) / 2
    # In place: this is what a bootstrap spends its time on.
    precision = np.divide(hits, np.maximum(flagged, 1, out=flagged), out=flagged)
    with np.errstate(divide="ignore", invalid="ignore"):
        return AucScores(beaten / (positives * (rows - positives)), _dot(positive, precision) / positives)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...g,...g->...", a, b)


@dataclass(frozen=True)
class RankingCurve:
    """Rows of two classes in groups of one score, the highest first.

    `score`, `positive` and `negative` (counts of rows) are (groups,).
    """

    score: np.ndarray
    positive: np.ndarray
    negative: np.ndarray

    @classmethod
    def from_scores(cls, is_positive: np.ndarray, score: np.ndarray) -> Self:
        """Group rows by their score."""
        order = np.argsort(-score, kind="stable")
        descending = score[order]
        starts = run_starts(descending)
        positive = np.add.reduceat(is_positive[order].astype(np.float64), starts)
        rows = np.diff(np.append(starts, len(score)))
        return cls(descending[starts], positive, rows - positive)

    @property
    def auc_scores(self) -> AucScores:
        """The areas under the curves."""
        return compute_auc_scores(self.positive, self.negative)

    def coarsen(self, groups: int) -> Self:
        """Return the curve with some `groups` for each class, which hold equally many of its rows.

        A class with fewer rows than that keeps a group for each of them, so that few positives among many rows keep
        their exact ranks.
        """

        def group_numbers(counts: np.ndarray) -> np.ndarray:
            total = max(counts.sum(), 1)
            part = np.floor(counts.cumsum() * groups / total)
            return 2 * part + (counts == 0) if total <= groups else part

        numbers = np.stack([group_numbers(self.positive), group_numbers(self.negative)])
        starts = np.flatnonzero(np.append(True, (numbers[:, 1:] != numbers[:, :-1]).any(axis=0)))
        positive, negative = (np.add.reduceat(counts, starts) for counts in (self.positive, self.negative))
        return type(self)(self.score[starts], positive, negative)

    def roc_curve(self) -> dict[str, list[float | None]] | None:
        """Return at most 200 points of the ROC curve; None when one class has no rows."""
        hits, alarms = np.append(0, self.positive.cumsum()), np.append(0, self.negative.cumsum())
        if not hits[-1] or not alarms[-1]:
            return None
        recall, alarm_rate = hits / hits[-1], alarms / alarms[-1]
        kept = _thin(recall + alarm_rate)
        points = {"false_positive_rate": alarm_rate[kept], "true_positive_rate": recall[kept]}
        return {name: to_json_numbers(values) for name, values in points.items()}

    def pr_curve(self) -> dict[str, list[float | None]] | None:
        """Return at most 200 points of the precision-recall curve; None when no row is positive."""
        hits, flagged = self.positive.cumsum(), (self.positive + self.negative).cumsum()
        if not hits[-1]:
            return None
        recall, precision = hits / hits[-1], hits / flagged
        kept = _thin(recall, MAX_POINTS - 1)
        points = {"recall": recall[kept], "precision": precision[kept]}
        # The first group's precision holds from the very beginning.
        return {name: to_json_numbers(np.append(0 if name == "recall" else v[0], v)) for name, v in points.items()}

    def threshold_table(self) -> dict[str, Any]:
        """Return the scores of calling rows positive from a probability on.

        Returns:
            A `table` of 21 thresholds, and the best of all that differ: `best_f1` has the largest F1, `best_youden`
            the largest J = recall + specificity - 1 (Youden 1950). Each is a row like those of the table, None when it
            is not defined.
        """
        hits, flagged = self.positive.cumsum(), (self.positive + self.negative).cumsum()
        positives, rows = hits[-1], flagged[-1]
        table = []
        for threshold in _THRESHOLDS:
            groups = int(np.searchsorted(-self.score, -threshold, side="right"))
            counts = (hits[groups - 1], flagged[groups - 1]) if groups else (0.0, 0.0)
            table.append(score_threshold(threshold, *counts, positives, rows))

        def best(gain: np.ndarray) -> dict[str, float | None]:
            group = int(gain.argmax())
            return score_threshold(self.score[group], hits[group], flagged[group], positives, rows)

        negatives = rows - positives
        f1 = 2 * hits / (positives + flagged)
        youden = hits / positives - (flagged - hits) / negatives if positives and negatives else None
        return {
            "table": table,
            "best_f1": best(f1) if positives else None,
            "best_youden": None if youden is None else best(youden),
        }


def score_threshold(
    threshold: float, hits: float, flagged: float, positives: float, rows: float
) -> dict[str, float | None]:
    """Return the scores of calling `flagged` of all `rows` positive, `hits` of which are among the `positives`."""
    negatives, alarms = rows - positives, flagged - hits
    recall, specificity = ratio_or_none(hits, positives), ratio_or_none(negatives - alarms, negatives)
    return {
        "threshold": finite_or_none(threshold),
        "precision": ratio_or_none(hits, flagged),
        "recall": recall,
        "f1_score": ratio_or_none(2 * hits, positives + flagged),
        "specificity": specificity,
        "youden_j": None if recall is None or specificity is None else recall + specificity - 1,
        "predicted_positive": ratio_or_none(flagged, rows),
    }


def run_starts(ordered: np.ndarray) -> np.ndarray:
    """Return the positions at which a run of equal values begins."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))


def _thin(position: np.ndarray, max_points: int = MAX_POINTS) -> np.ndarray:
    """Return indices of at most `max_points` points of a curve, spread evenly over `position` (ascending).

    Both ends are included.
    """
    if len(position) <= max_points:
        return np.arange(len(position))
    even = np.linspace(position[0], position[-1], max_points - 1)
    return np.unique(np.append(np.searchsorted(position, even), len(position) - 1))


class AucInfluence(NamedTuple):
    """A ROC AUC, and how fast it grows with the weight of each row.

    The influence is made of the components of DeLong, DeLong and Clarke-Pearson 1988.
    """

    auc: float
    influence: np.ndarray


def roc_auc(is_positive: np.ndarray, score: np.ndarray) -> float:
    """Return the ROC AUC, NaN where a class has no rows.

    It sorts the rows of one class only, which is cheap for one class among many.
    """
    positive, negative = score[is_positive], np.sort(score[~is_positive])
    return float(_share_below(positive, negative).mean()) if len(positive) and len(negative) else float("nan")


def auc_influence(is_positive: np.ndarray, score: np.ndarray) -> AucInfluence:
    """Return `roc_auc` and its influence; both classes have rows."""
    positive, negative = score[is_positive], score[~is_positive]
    beaten = _share_below(positive, np.sort(negative))
    auc = float(beaten.mean())
    influence = np.empty(len(score))
    influence[is_positive] = (beaten - auc) / len(positive)
    influence[~is_positive] = (1 - _share_below(negative, np.sort(positive)) - auc) / len(negative)
    return AucInfluence(auc, influence)


def _share_below(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Return the share of `ordered` below each of `values`, where an equal one counts half."""
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(ordered))
