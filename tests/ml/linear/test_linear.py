"""Linear models: their terms, the path of penalties, and what they predict of values that they have not seen."""

import numpy as np
import pytest

from dataml.ml.linear.fitting import PENALTIES, Rows, fit_linear
from dataml.ml.linear.model import LinearModel
from dataml.ml.linear.terms import Terms

CATEGORICAL = (2,)


def make_rows(classes: int, rows: int = 3_000, seed: int = 0) -> Rows:
    """Return a number with a slope, one with a bend, a category of four levels, and a target of their sum."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, 3)).astype(np.float32)
    matrix[:, 2] = random.integers(0, 4, rows)
    signal = 2 * matrix[:, 0] + np.abs(matrix[:, 1]) + 3 * (matrix[:, 2] == 1)
    if not classes:
        return matrix, signal + 0.1 * random.normal(size=rows)
    noisy = signal + random.logistic(size=rows)
    return matrix, np.digitize(noisy, np.quantile(noisy, np.arange(1, classes) / classes))


def halves(rows: Rows) -> tuple[Rows, Rows]:
    middle = len(rows[1]) // 2
    return (rows[0][:middle], rows[1][:middle]), (rows[0][middle:], rows[1][middle:])


def test_slope_bend_and_levels_are_found() -> None:
    train, validation = halves(make_rows(0))
    model, _ = fit_linear(train, validation, 0, CATEGORICAL)
    errors = model.predict(validation[0], 0) - validation[1]
    assert np.sqrt(np.square(errors).mean()) < 0.2
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    base, higher, other = model.predict(points, 0)
    assert higher - base == pytest.approx(2, abs=0.1)
    assert other - base == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_those_of_the_rows(classes: int) -> None:
    train, validation = halves(make_rows(classes, 20_000))
    model, _ = fit_linear(train, validation, classes, CATEGORICAL)
    predicted = model.predict(validation[0], classes)
    assert predicted.sum(axis=1) == pytest.approx(1)
    for code in range(classes):
        for low, high in ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0)):
            inside = (predicted[:, code] >= low) & (predicted[:, code] < high)
            if inside.sum() > 500:
                share = (validation[1][inside] == code).mean()
                assert share == pytest.approx(predicted[inside, code].mean(), abs=0.05)


def test_validation_rows_choose_the_penalty() -> None:
    random = np.random.default_rng(1)
    noise = random.normal(size=(200, 60)).astype(np.float32)
    useless = random.integers(0, 2, 200)
    _, steps = fit_linear((noise[:100], useless[:100]), (noise[100:], useless[100:]), 2, ())
    _, more = fit_linear(*halves(make_rows(2)), 2, CATEGORICAL)
    assert steps < more <= len(PENALTIES)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_saved_model_predicts_the_same_one_row_at_a_time(classes: int) -> None:
    matrix, y = make_rows(classes, 500)
    matrix[::7, 0] = np.nan
    matrix[::5, 2] = np.nan
    model, _ = fit_linear((matrix, y), None, classes, CATEGORICAL, steps=6)
    again = LinearModel.from_bytes(model.to_bytes())
    together = model.predict(matrix, classes)
    assert (again.predict(matrix, classes) == together).all()
    assert (np.concatenate([again.predict(matrix[i : i + 1], classes) for i in range(len(matrix))]) == together).all()


def test_values_beyond_the_training_count_as_its_ends() -> None:
    matrix, y = make_rows(0)
    model, _ = fit_linear((matrix, y), None, 0, CATEGORICAL, steps=8)
    ends = np.array([[matrix[:, 0].max(), 0, 0], [3e38, 0, 0], [matrix[:, 0].min(), 0, 0], [-3e38, 0, 0]], np.float32)
    highest, beyond, lowest, below = model.predict(ends, 0)
    assert (highest, lowest) == (beyond, below)


def test_missing_values_and_unknown_categories_have_predictions() -> None:
    matrix, y = make_rows(2)
    matrix[:50, 0] = np.nan
    model, _ = fit_linear((matrix, y), None, 2, CATEGORICAL, steps=8)
    odd = np.array([[np.nan, np.nan, np.nan], [0, 0, 99]], np.float32)
    assert np.isfinite(model.predict(odd, 2)).all()


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_contributions_add_up_to_the_distance_from_the_mean(classes: int) -> None:
    matrix, y = make_rows(classes, 800)
    matrix[::9, 1] = np.nan
    model, _ = fit_linear((matrix, y), None, classes, CATEGORICAL, steps=7)
    values, margins = model.contributions(matrix), model.margins(matrix)
    assert values.shape == (800, margins.shape[1], 3)
    assert values.sum(axis=2) == pytest.approx(margins - margins.mean(axis=0), abs=1e-9)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_continued_model_learns_new_rows_and_keeps_its_terms(classes: int) -> None:
    matrix, y = make_rows(classes)
    first, _ = fit_linear((matrix[:300], y[:300]), None, classes, CATEGORICAL, steps=6)
    second, _ = fit_linear((matrix[300:2_000], y[300:2_000]), None, classes, CATEGORICAL, steps=6, start=first)
    assert second.terms is first.terms
    rest, truth = matrix[2_000:], y[2_000:]

    def loss(model: LinearModel) -> float:
        predicted = model.predict(rest, classes)
        if not classes:
            return float(np.square(predicted - truth).mean())
        return float(-np.log(predicted[np.arange(len(truth)), truth]).mean())

    assert loss(second) < loss(first)


def test_large_tables_are_learned_from_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataml.ml.linear.fitting._MAX_CELLS", 1)
    seen: list[int] = []
    expand = Terms.expand

    def counted(self: Terms, matrix: np.ndarray) -> np.ndarray:
        seen.append(len(matrix))
        return expand(self, matrix)

    monkeypatch.setattr(Terms, "expand", counted)
    fit_linear(make_rows(2, 5_000), None, 2, CATEGORICAL, steps=3)
    assert max(seen) == 1_000


def test_columns_without_information_do_no_harm() -> None:
    matrix = np.zeros((100, 4), np.float32)
    matrix[:, 1] = np.nan
    matrix[:, 2] = 3e38
    matrix[:50, 3] = 1
    y = np.r_[np.ones(50, np.int64), np.zeros(50, np.int64)]
    model, _ = fit_linear((matrix, y), None, 2, (0,), steps=9)
    predicted = model.predict(matrix, 2)
    assert np.isfinite(predicted).all()
    assert (predicted.argmax(axis=1) == y).all()


def test_many_categories_of_many_columns_have_a_bounded_number_of_terms() -> None:
    codes = np.random.default_rng(3).integers(0, 150, size=(5_000, 12)).astype(np.float32)
    codes[:3_000, 5] = 7
    terms = Terms.fit(codes, tuple(range(12)), max_terms=300)
    assert terms.count == 300
    assert (5, 7.0) in list(zip(terms.level_columns.tolist(), terms.level_codes.tolist(), strict=True))
