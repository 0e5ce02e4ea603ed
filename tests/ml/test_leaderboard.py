"""A leaderboard is sorted by score, and keeps what has none yet at its end."""

from dataml.ml.leaderboard import CandidateScore, CandidateState, rank


def test_best_comes_first_and_what_has_no_score_last() -> None:
    waiting = CandidateScore("CatBoost", "rmse")
    fitting = CandidateScore("XGBoost", "rmse", state=CandidateState.FITTING)
    worse = CandidateScore("Linear", "rmse", 2.5, 0.1, CandidateState.SCORED)
    perfect = CandidateScore("LightGBM", "rmse", 0.0, 1.0, CandidateState.SELECTED)
    assert rank([waiting, worse, fitting, perfect]) == (perfect, worse, waiting, fitting)
