"""Fitting a linear model along a path of penalties, from the largest to the smallest."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from dataml.ml.linear.model import LinearModel
from dataml.ml.linear.terms import Terms

PENALTIES: Final = tuple(10.0 ** (-step / 2) for step in range(10))
"""Squared weights count with half of this for each row: the steps of the path."""
MAX_COLUMNS: Final = 256
"""Columns that a fit should look at."""
MAX_CLASSES: Final = 20
"""With more classes a fit takes longer than it is worth."""
_MAX_TERMS: Final = 1_000
_MAX_CELLS: Final = 6_000_000
"""Rows times terms that a fit learns from: with more rows it learns from a part of them."""
_STOPPING_STEPS: Final = 2
"""Steps without progress on the validation rows after which a path ends."""
_MAX_ITERATIONS: Final = 60


Rows = tuple[np.ndarray, np.ndarray]
"""A float32 matrix (rows, width), NaN where missing, and its targets (rows,): numbers, or class codes from 0."""


def fit_linear(
    train: Rows,
    validation: Rows | None,
    classes: int,
    categorical: tuple[int, ...],
    steps: int | None = None,
    start: LinearModel | None = None,
    seed: int = 0,
    columns: np.ndarray | None = None,
    is_late: Callable[[], bool] = lambda: False,
) -> tuple[LinearModel, int]:
    """Fit ridge regression, or logistic regression with the same penalty (Hoerl and Kennard 1970; Cessie 1992).

    Args:
        train: the rows to learn from.
        validation: rows that choose the step of the path; None to take `steps`.
        classes: of the target; 0 for a number.
        categorical: positions of the columns that hold codes of categories.
        steps: how many steps of the path to go.
        start: a model to continue: its terms stay, and the penalty is on the difference from its weights.
        seed: of the rows that are drawn where there are too many.
        columns: positions of the columns to look at; None for all.
        is_late: asked after each step, whether the path ends there.

    Returns:
        The model, and the number of steps.
    """
    terms = start.terms if start is not None else Terms.fit(train[0], categorical, _MAX_TERMS, columns)
    matrix, y = _draw(train, terms.count, seed)
    expanded = terms.expand(matrix)
    means = expanded.mean(axis=0)
    expanded -= means
    problem = _Problem(classes, expanded, y, start, means)
    validated = terms.expand(validation[0]) - means if validation is not None else None
    best, best_loss, best_step, parameters = problem.initial, np.inf, 1, problem.initial
    for step, penalty in enumerate(PENALTIES[: steps or len(PENALTIES)], start=1):
        if validated is None and step < (steps or 0) - 1:
            continue
        parameters = problem.solve(penalty, parameters)
        if validation is None or validated is None:
            best, best_step = parameters, step
        else:
            loss = problem.loss(parameters, validated, validation[1])
            if loss < best_loss:
                best, best_loss, best_step = parameters, loss, step
            elif step - best_step >= _STOPPING_STEPS:
                break
        if is_late():
            break
    weights, intercepts = best[:-1], best[-1] - means @ best[:-1]
    return LinearModel(terms, weights, intercepts, start.means if start is not None else means), best_step


def _draw(rows: Rows, terms: int, seed: int) -> Rows:
    matrix, y = rows
    limit = max(1_000, _MAX_CELLS // max(1, terms))
    if len(y) <= limit:
        return rows
    drawn = np.sort(np.random.default_rng(seed).permutation(len(y))[:limit])
    return matrix[drawn], y[drawn]


class _Problem:
    """Centred terms and targets; parameters are (terms + 1, outputs), the intercepts last, which have no penalty."""

    def __init__(
        self, classes: int, x: np.ndarray, y: np.ndarray, start: LinearModel | None, means: np.ndarray
    ) -> None:
        self._is_number = not classes
        self._x = x
        self._y = y.astype(np.int64 if classes else np.float64)
        outputs = classes if classes > 2 else 1
        self.initial = np.zeros((x.shape[1] + 1, outputs))
        if start is not None:
            self.initial = np.vstack((start.weights, start.intercepts + means @ start.weights))
        elif not classes:
            self.initial[-1] = self._y.mean()
        self._prior = self.initial[:-1].copy()
        self._gram: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def solve(self, penalty: float, parameters: np.ndarray) -> np.ndarray:
        """Return the parameters for a penalty, from those of a larger one."""
        return self._solve_squares(penalty) if self._is_number else self._solve_classes(penalty, parameters)

    def loss(self, parameters: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
        """Return the mean squared error or the log loss on centred terms."""
        margins = x @ parameters[:-1] + parameters[-1]
        if self._is_number:
            return float(np.square(margins[:, 0] - y).mean())
        return _log_loss(margins, y.astype(np.int64))[0]

    def _solve_squares(self, penalty: float) -> np.ndarray:
        rows = len(self._y)
        center = self._y.mean()
        if self._gram is None:
            values, vectors = np.linalg.eigh(self._x.T @ self._x / rows)
            residuals = self._y - center - self._x @ self._prior[:, 0]
            self._gram = values, vectors, vectors.T @ (self._x.T @ residuals / rows)
        values, vectors, projected = self._gram
        weights = self._prior[:, 0] + vectors @ (projected / (np.maximum(values, 0) + penalty))
        return np.append(weights, center)[:, None]

    def _solve_classes(self, penalty: float, parameters: np.ndarray) -> np.ndarray:
        from scipy.optimize import minimize

        shape = parameters.shape

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            current = flat.reshape(shape)
            moved = current[:-1] - self._prior
            loss, slopes = _log_loss(self._x @ current[:-1] + current[-1], self._y)
            gradient = np.vstack((self._x.T @ slopes + penalty * moved, slopes.sum(axis=0)))
            return loss + penalty / 2 * float(np.square(moved).sum()), gradient.ravel()

        options = {"maxiter": _MAX_ITERATIONS, "ftol": 1e-8, "gtol": 1e-6}
        solution: Any = minimize(objective, parameters.ravel(), jac=True, method="L-BFGS-B", options=options)
        return solution.x.reshape(shape)


def _log_loss(margins: np.ndarray, codes: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean log loss and its derivative by the margins (rows, outputs)."""
    rows = len(codes)
    if margins.shape[1] == 1:
        signs = 2.0 * codes - 1
        signed = signs * margins[:, 0]
        loss = float(np.logaddexp(0, -signed).mean())
        slopes = -signs / (1 + np.exp(np.minimum(signed, 700))) / rows
        return loss, slopes[:, None]
    shifted = margins - margins.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    sums = powers.sum(axis=1)
    loss = float((np.log(sums) - shifted[np.arange(rows), codes]).mean())
    slopes = powers / sums[:, None]
    slopes[np.arange(rows), codes] -= 1
    return loss, slopes / rows
