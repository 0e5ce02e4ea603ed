"""A penalised linear model of numbers, hinges and categories, and its own JSON."""

import json
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from dataml.ml.linear.terms import Terms


@dataclass(frozen=True)
class LinearModel:
    """Weights of terms.

    Attributes:
        terms: what is made of a matrix.
        weights: (terms, outputs).
        intercepts: (outputs,). There is one output, a number or the log-odds of the second of two classes; or one a
            class, whose softmax are the probabilities.
        means: (terms,) of the training, from which an effect is counted.
    """

    terms: Terms
    weights: np.ndarray
    intercepts: np.ndarray
    means: np.ndarray

    def margins(self, matrix: np.ndarray) -> np.ndarray:
        """Return the outputs (rows, outputs) of a matrix (rows, width)."""
        expanded = self.terms.expand(matrix)
        # A product of matrices would sum in another order for one row than for many.
        sums = [(expanded * weights).sum(axis=1) for weights in self.weights.T]
        return np.column_stack(sums) + self.intercepts

    def predict(self, matrix: np.ndarray, classes: int) -> np.ndarray:
        """Return numbers (rows,) where `classes` is 0, else probabilities (rows, classes)."""
        margins = self.margins(matrix)
        if not classes:
            return margins[:, 0]
        if margins.shape[1] == 1:
            margins = np.column_stack((np.zeros(len(margins)), margins))
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Return SHAP values (rows, outputs, width): the weights times the distances of the terms from their means.

        For a linear model of independent columns these are the exact values (Lundberg and Lee 2017, corollary 1).
        """
        distances = self.terms.expand(matrix) - self.means
        values = np.zeros((len(matrix), len(self.intercepts), matrix.shape[1]))
        sources = self.terms.sources
        for output in range(len(self.intercepts)):
            effects = distances * self.weights[:, output]
            for column in np.unique(sources):
                values[:, output, column] = effects[:, sources == column].sum(axis=1)
        return values

    def scaled(self, factor: float) -> Self:
        """Return the model that predicts `factor` times as much."""
        return replace(self, weights=self.weights * factor, intercepts=self.intercepts * factor)

    def to_bytes(self) -> bytes:
        """Return the model as JSON."""
        parts = {name: getattr(self, name).tolist() for name in ("weights", "intercepts", "means")}
        return json.dumps({"terms": self.terms.to_json(), **parts}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the model that `to_bytes` wrote."""
        data: dict[str, Any] = json.loads(content)
        terms, weights = Terms.from_json(data["terms"]), np.array(data["weights"], np.float64)
        outputs = len(data["intercepts"])
        return cls(terms, weights.reshape(terms.count, outputs), np.array(data["intercepts"]), np.array(data["means"]))
