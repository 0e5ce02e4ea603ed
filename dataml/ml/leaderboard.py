"""The leaderboard of a training: how far each of its candidates has come, and how well it does."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum


class CandidateState(StrEnum):
    """How far a candidate of a training has come."""

    WAITING = "waiting"
    FITTING = "fitting"
    SCORED = "scored"
    STOPPED = "stopped"
    SELECTED = "selected"


@dataclass(frozen=True)
class CandidateScore:
    """One candidate of a training.

    Attributes:
        candidate: its name, or that of a combination of several.
        metric: what `score` is, on rows that the candidate did not learn from; lower is better.
        score: None before all rows that validate it are predicted, or where it is not finite.
        seconds: how long its fits took, added up; None before their end, and where there was no fit.
        state: how far it has come. One candidate is selected in the end; one that is stopped cannot improve the blend,
            or had no time left.
    """

    candidate: str
    metric: str
    score: float | None = None
    seconds: float | None = None
    state: CandidateState = CandidateState.WAITING


ReportScore = Callable[[CandidateScore], None]


def ignore_score(score: CandidateScore) -> None:
    """Do nothing: of a fit whose candidates nobody watches."""


def rank(scores: Iterable[CandidateScore]) -> tuple[CandidateScore, ...]:
    """Return the candidates, best first; those without a score come last, in the order in which they came."""
    return tuple(sorted(scores, key=lambda each: (each.score is None, each.score or 0.0)))
