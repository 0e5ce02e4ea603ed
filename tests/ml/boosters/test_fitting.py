"""All libraries fit the same tasks, repeat themselves, and continue a model."""

import lightgbm
import numpy as np
import pytest

from dataml.clocks import Deadline
from dataml.ml.boosters.fitting import FitConfig, fit, float32_thresholds, library_parameters
from dataml.ml.boosters.native_model import LabeledRows, NativeModel, Task
from dataml.ml.boosters.onnx_model import OnnxModel, convert_to_onnx
from tests.ml.boosters.fits import ALGORITHMS, BOOSTERS, CATEGORICAL, TASKS, fit_small, make_rows

FEW = {"n_estimators": 60}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.classes} classes")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_learns(algorithm: str, task: Task) -> None:
    model, whole = fit_small(algorithm, task)
    predicted = model.predict(whole.x)
    if task.is_regression:
        assert np.sqrt(np.square(predicted - whole.y).mean()) < 0.8 * whole.y.std()
    else:
        assert predicted.shape == (len(whole.y), task.classes)
        assert predicted.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert (predicted.argmax(axis=1) == whole.y).mean() > 1.5 / task.classes


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_fit_without_validation_rows_takes_the_requested_rounds(algorithm: str) -> None:
    model = fit(FitConfig(algorithm, Task(2), CATEGORICAL), make_rows(Task(2)), None, rounds=7)
    assert model.best_iteration == 7


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.classes} classes")
@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_a_continued_model_keeps_its_trees(algorithm: str, task: Task) -> None:
    first, whole = fit_small(algorithm, task, n_estimators=10)
    again = NativeModel.from_bytes(algorithm, task, first.model.to_bytes(), CATEGORICAL)
    second, _ = fit_small(algorithm, task, start=again, n_estimators=20)
    assert first.best_iteration < second.best_iteration <= first.best_iteration + 20
    assert not np.allclose(second.predict(whole.x), first.predict(whole.x))
    if task.is_regression:
        errors = [np.square(model.predict(whole.x) - whole.y).mean() for model in (first, second)]
        assert errors[1] < errors[0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_seed_makes_one_model(algorithm: str) -> None:
    first, whole = fit_small(algorithm, Task(2))
    second, _ = fit_small(algorithm, Task(2))
    assert (first.predict(whole.x) == second.predict(whole.x)).all()


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_progress_is_reported_every_ten_rounds(algorithm: str) -> None:
    reports: list[tuple[float, str]] = []
    config = FitConfig(
        algorithm, Task(2), CATEGORICAL, progress=lambda share, message: reports.append((share, message))
    )
    fit(config, make_rows(Task(2)), None, rounds=25)
    assert len(reports) in (2, 3)
    assert [share for share, _ in reports] == sorted(share for share, _ in reports)
    assert all(message.startswith(f"Fitting {algorithm}, round ") and message.endswith("0") for _, message in reports)


def test_large_matrices_get_more_threads() -> None:
    config = FitConfig("LightGBM", Task(2), (), threads=4)
    assert config.threads_for(make_rows(Task(2))) == 1
    assert config.threads_for(make_rows(Task(2), 120_000)) == 2
    assert config.threads_for(make_rows(Task(2), 400_000)) == 4


def test_known_hyperparameters_reach_the_library() -> None:
    model, _ = fit_small("LightGBM", Task(2), num_leaves=4, reg_lambda=2, early_stopping_rounds=60)
    assert model.params["num_leaves"] == 4
    assert model.params["lambda_l2"] == 2.0
    assert max(tree["num_leaves"] for tree in model.model.booster.dump_model()["tree_info"]) <= 4


def test_hyperparameters_that_a_library_has_not_are_left_out() -> None:
    settings = {"num_leaves": 4, "max_depth": 3}
    assert library_parameters(FitConfig("XGBoost", Task(2), (), settings), 1_000)["max_depth"] == 3
    assert "num_leaves" not in library_parameters(FitConfig("XGBoost", Task(2), (), settings), 1_000)
    assert library_parameters(FitConfig("CatBoost", Task(2), (), {"n_estimators": 9}), 1_000)["n_estimators"] == 9


def test_a_value_on_a_threshold_goes_the_same_way_in_float32() -> None:
    # The midpoint of two neighbouring float32 numbers rounds to the upper one, which the split sends right.
    low = np.float32(78.299995)
    high = np.nextafter(low, np.float32(np.inf))
    x = np.repeat(np.array([low, high], dtype=np.float32), 50)[:, None]
    y = np.repeat([0.0, 1.0], 50)
    options = {"objective": "regression", "min_data_in_leaf": 1, "min_data_in_bin": 1, "verbosity": -1}
    booster = lightgbm.train(options, lightgbm.Dataset(x, y), num_boost_round=3)
    exact = lightgbm.Booster(model_str=float32_thresholds(booster.model_to_string()))
    np.testing.assert_array_equal(exact.predict(x), booster.predict(x))
    copy = convert_to_onnx(NativeModel("LightGBM", Task(0), exact, ()), x)
    assert copy.content is not None
    assert OnnxModel(copy.content).predict(x) == pytest.approx(booster.predict(x), abs=1e-6)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("has_validation", [True, False])
def test_a_fit_after_its_deadline_ends_with_its_first_round(algorithm: str, has_validation: bool) -> None:
    task = Task(2)
    whole = make_rows(task)
    config = FitConfig(algorithm, task, CATEGORICAL, deadline=Deadline.after(0))
    fitted = fit(config, whole, whole if has_validation else None, None if has_validation else 5)
    assert fitted.best_iteration <= (1 if has_validation else 4)
    copy = NativeModel.from_bytes(algorithm, task, fitted.model.to_bytes(), CATEGORICAL)
    assert (copy.predict(whole.x) == fitted.predict(whole.x)).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_logarithm_of_a_skewed_number_is_learned_and_undone_without_bias(algorithm: str) -> None:
    whole = make_rows(Task(0), 1_500)
    logarithms = (whole.y - 1_000_000) / 1_000
    noise = np.random.default_rng(5).normal(0, 0.5, len(logarithms))
    numbers = LabeledRows(whole.x, 100 * np.exp(logarithms + noise))
    train, validation = numbers.take(np.arange(1_000)), numbers.take(np.arange(1_000, 1_500))
    center = float(np.log(numbers.y).mean())
    config = FitConfig(algorithm, Task(0), CATEGORICAL, log_center=center)
    fitted = fit(config, train, validation)
    assert fitted.model.log_offset is not None
    assert fitted.model.log_offset > center + 0.03  # the mean of exp(noise) is more than 1
    predicted = fitted.predict(validation.x)
    assert predicted.dtype == np.float64
    assert predicted.min() > 0
    assert predicted.mean() == pytest.approx(validation.y.mean(), rel=0.15)
    again = fit(
        FitConfig(algorithm, Task(0), CATEGORICAL, log_center=fitted.model.log_offset, start=fitted.model),
        train,
        validation,
    )
    assert np.sqrt(np.square(again.predict(validation.x) - validation.y).mean()) < 1.2 * np.sqrt(
        np.square(predicted - validation.y).mean()
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_contributions_of_logarithms_add_up_to_differences_of_numbers(algorithm: str) -> None:
    whole = make_rows(Task(0))
    numbers = LabeledRows(whole.x, np.exp((whole.y - 1_000_000) / 1_000))
    model = fit(FitConfig(algorithm, Task(0), CATEGORICAL, FEW, log_center=0.1, threads=1), numbers, numbers).model
    values = model.contributions(whole.x)[:, 0]
    rest = model.predict(whole.x) - values.sum(axis=1)
    # What is left of each row is one number: that of a row without any effect.
    assert np.abs(rest - rest.mean()).max() < 1e-3 * np.abs(rest.mean())


@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_a_copy_predicts_numbers_of_logarithms(algorithm: str) -> None:
    whole = make_rows(Task(0))
    numbers = LabeledRows(whole.x, np.exp(10 + (whole.y - 1_000_000) / 1_000))
    model = fit(FitConfig(algorithm, Task(0), CATEGORICAL, FEW, log_center=10.0), numbers, numbers).model
    conversion = convert_to_onnx(model, whole.x)
    assert conversion.content is not None, conversion.reason
    copy = OnnxModel(conversion.content, model.log_offset)
    assert copy.predict(whole.x) == pytest.approx(model.predict(whole.x), rel=1e-5)


def test_numbers_without_a_logarithm_stand_for_the_least_that_has_one() -> None:
    whole = make_rows(Task(0))
    numbers = LabeledRows(whole.x, np.maximum(whole.y - 1_000_000, 0))
    assert (numbers.y == 0).any()
    fitted = fit(FitConfig("LightGBM", Task(0), CATEGORICAL, FEW, log_center=0.0), numbers, numbers)
    assert np.isfinite(fitted.predict(whole.x)).all()
