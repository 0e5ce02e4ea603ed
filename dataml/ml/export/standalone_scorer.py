"""Predicts with an exported model. It needs Python 3.11, NumPy and the model's own library (requirements.txt), no more.

python scorer.py rows.csv > predictions.csv

from scorer import Scorer
Scorer().predict([{"age": 41, "plan": "basic"}])

This file goes into every export as scorer.py, with the platform's own modules that parse a value. It must run without
the rest of dataml, so it has copies of the encoding and the calibration; tests compare both.
"""

import csv
import json
import math
import sys
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from dataml.contract.dates import InvalidValue, settle_date_order
from dataml.contract.time_zones import find_time_zone, to_local
from dataml.contract.value_format import ValueFormat
from dataml.contract.values import parse_value

MODEL_FILES = {"XGBoost": "model.ubj", "LightGBM": "model.txt", "CatBoost": "model.cbm", "Linear": "linear.json"}
FEATURE_ROLES = ("Feature", "Time")
MAX_FLOAT32 = float(np.finfo(np.float32).max)
MAX_FLOAT64 = float(np.finfo(np.float64).max)
MIN_PROBABILITY = 1e-6
BOOLEAN_TEXTS = (("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("0", "1"))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Scorer:
    """The model of a folder: contract.json parses a row, preprocess.json encodes it, the boosters predict."""

    def __init__(self, folder=None):
        self.folder = Path(folder) if folder else Path(__file__).resolve().parent
        self.manifest = self._read_json("manifest.json")
        features = [name for name, role in self.manifest["roles"].items() if role in FEATURE_ROLES]
        self.columns = [column for column in self._read_json("contract.json")["columns"] if column["name"] in features]
        for column in self.columns:
            column["format"] = value_format(column)
            # A default is written plainly, its year last.
            order = settle_date_order(column["default"], column.get("date_order"))
            plain = {"number_format": None, "date_format": None, "date_order": order}
            column["plain_format"] = value_format(column | plain)
        self.layout = self._read_json("preprocess.json")["columns"]
        for column in self.layout:
            column["codes"] = {text: code for code, text in enumerate(column.get("vocabulary", ()))}
        self.boolean_texts = find_boolean_texts(self.columns, self.layout)
        self.categorical = [i for i, column in enumerate(self.layout) if column["encoding"] == "category"]
        self.classes = self.manifest["classes"]
        self.threshold = self._read_threshold()
        members = self.manifest.get("members") or [{"algorithm": self.manifest["algorithm"], "weight": 1.0}]
        self.members = [(load_booster(self.folder, m), m) for m in members]

    def parse(self, row):
        """Return a dict of JSON values or CSV texts as a row of the matrix; columns that are no features are ignored.

        Raises:
            ValueError: a value is wrong or missing; the message names its column.
        """
        values = {}
        for column in self.columns:
            name, default = column["name"], column["default"]
            if name not in row and default is None:
                raise ValueError(f"{name}: it is missing and has no default")
            sent = row.get(name)
            if isinstance(sent, bool) and name in self.boolean_texts:
                sent = self.boolean_texts[name][sent]
            try:
                value = parse_value(sent, column["data_type"], column["format"])
                values[name] = (
                    parse_value(default, column["data_type"], column["plain_format"]) if value is None else value
                )
            except InvalidValue as error:
                raise ValueError(
                    f"{name}: {row.get(name)!r} cannot be read as {column['data_type']}: {error}"
                ) from error
            if values[name] is None and not column["nullable"]:
                raise ValueError(f"{name}: it must have a value")
        return [encode(values[column["source"]], column) for column in self.layout]

    def predict_matrix(self, matrix):
        """Return numbers (rows,), or probabilities (rows, classes), of a float32 matrix."""
        predictions = [(m["weight"], self._predict_member(booster, m, matrix)) for booster, m in self.members]
        combined = combine_predictions(predictions, self.manifest.get("calibration"))
        scaling = self.manifest.get("target_scaling")
        return restore_target(combined, scaling) if scaling else combined

    def predict(self, rows):
        """Return for each dict of `rows` a dict of `prediction` and, for classes, `probability` and `probabilities`.

        Of two classes the `threshold` of the scorer decides: the positive class is predicted where its probability is
        at least that. It is None for the more probable class; set it to another number to decide otherwise.
        """
        matrix = np.array([self.parse(row) for row in rows], np.float32).reshape(-1, len(self.layout))
        return [self.format_prediction(score) for score in (self.predict_matrix(matrix) if len(matrix) else ())]

    def format_prediction(self, score):
        """Return the dict of a number or of a row of probabilities."""
        if self.classes is None:
            return {"prediction": float(score), "probability": None, "probabilities": None}
        best = int(np.argmax(score))
        if self.threshold is not None and len(self.classes) == 2:
            positive = self.positive_code()
            best = positive if float(score[positive]) >= self.threshold else 1 - positive
        probabilities = {to_label(value): float(p) for value, p in zip(self.classes, score, strict=True)}
        return {
            "prediction": self.classes[best],
            "probability": float(score[best]),
            "probabilities": probabilities,
        }

    def positive_code(self):
        """Return the position in `classes` of the positive one of two classes."""
        positive = self.manifest.get("positive_class")
        return 1 if positive is None else self.classes.index(positive)

    def _predict_member(self, booster, member, matrix):
        scores = self._predict_raw(booster, member["algorithm"], matrix)
        offset = member.get("log_offset")  # of a model that predicts logarithms
        return scores if offset is None else np.exp(np.asarray(scores, np.float64) + offset)

    def _predict_raw(self, booster, algorithm, matrix):
        if algorithm == "Linear":
            return predict_linear(booster, matrix, self.classes)
        if algorithm == "CatBoost":
            kind = "RawFormulaVal" if self.classes is None else "Probability"
            return np.asarray(booster.predict(catboost_rows(matrix, self.categorical), prediction_type=kind))
        if algorithm == "XGBoost":
            scores = booster.inplace_predict(matrix, validate_features=False)
        else:
            scores = booster.predict(matrix)
        scores = np.asarray(scores)
        return np.column_stack((1 - scores, scores)) if self.classes and len(self.classes) == 2 else scores

    def _read_threshold(self):
        """Return the threshold that was kept with the model when it was exported, if there was one."""
        has_threshold = (self.folder / "threshold.json").exists()
        return self._read_json("threshold.json")["threshold"] if has_threshold else None

    def _read_json(self, name):
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def combine_predictions(predictions, calibration):
    """Return the weighted mean of all boosters' predictions, calibrated.

    Args:
        predictions: [(weight, prediction), ...].
        calibration: the one that manifest.json records, or None.
    """
    mean = predictions[0][1]
    if len(predictions) > 1:
        mean = np.sum([weight * prediction.astype(np.float64) for weight, prediction in predictions], axis=0)
    if calibration is None:
        return mean
    before = np.asarray(mean, np.float64)
    if calibration["method"] == "temperature":
        scores = np.log(np.clip(before, MIN_PROBABILITY, 1)) / calibration["temperature"]
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    if calibration["method"] == "sigmoid":
        clipped = np.clip(before[:, 1], MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        odds = calibration["slope"] * np.log(clipped / (1 - clipped)) + calibration["offset"]
        positive = 1 / (1 + np.exp(-odds))
    elif calibration["method"] == "isotonic":
        positive = np.interp(before[:, 1], calibration["knots"], calibration["values"])
    else:
        raise ValueError(f"this scorer does not know the calibration {calibration['method']!r}")
    return np.column_stack((1 - positive, positive))


def restore_target(numbers, scaling):
    """Return predictions of boosters that were fitted on `(target - shift) / scale` in the target's own unit."""
    with np.errstate(over="ignore"):
        restored = np.asarray(numbers, np.float64) * scaling["scale"] + scaling["shift"]
    return np.clip(restored, -MAX_FLOAT64, MAX_FLOAT64)


def load_booster(folder, member):
    """Load the native model file of a member of the manifest; those of one algorithm are numbered."""
    algorithm, number = member["algorithm"], member.get("number", 1)
    stem, _, ending = MODEL_FILES[algorithm].partition(".")
    path = str(folder / (f"{stem}.{ending}" if number == 1 else f"{stem}-{number}.{ending}"))
    if algorithm == "XGBoost":
        import xgboost

        return xgboost.Booster(model_file=path)
    if algorithm == "LightGBM":
        import lightgbm

        return lightgbm.Booster(model_file=path)
    if algorithm == "Linear":
        return json.loads(Path(path).read_text(encoding="utf-8"))
    import catboost

    return catboost.CatBoost().load_model(path)


def predict_linear(model, matrix, classes):
    """Return numbers (rows,), or probabilities (rows, classes), of a linear model."""
    terms = {name: np.array(values, np.float64) for name, values in model["terms"].items()}
    positions = {name: terms[name].astype(int) for name in ("numbers", "missing", "hinge_numbers", "level_columns")}
    values = matrix[:, positions["numbers"]].astype(np.float64)
    values = (np.clip(values, terms["lowest"], terms["highest"]) - terms["centers"]) / terms["scales"]
    values = np.nan_to_num(values, nan=0.0)
    missing = np.isnan(matrix[:, positions["missing"]])
    hinges = np.maximum(values[:, positions["hinge_numbers"]] - terms["knots"], 0.0)
    codes = np.nan_to_num(matrix[:, positions["level_columns"]].astype(np.float64), nan=-1.0)
    expanded = np.hstack((values, missing, hinges, codes == terms["level_codes"]))
    intercepts = np.array(model["intercepts"], np.float64)
    margins = expanded @ np.array(model["weights"], np.float64).reshape(-1, len(intercepts)) + intercepts
    if classes is None:
        return margins[:, 0]
    if margins.shape[1] == 1:
        margins = np.column_stack((np.zeros(len(margins)), margins))
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def catboost_rows(matrix, categorical):
    """Return rows as CatBoost reads them: numbers, and behind them categories as text, empty where missing."""
    from catboost import FeaturesData

    numbers = np.ascontiguousarray(np.delete(matrix, categorical, axis=1), np.float32)
    if not categorical:
        return FeaturesData(num_feature_data=numbers)
    codes = np.nan_to_num(matrix[:, categorical], nan=-1).astype(int)
    words = np.array([b"", *(b"%d" % code for code in range(codes.max(initial=-1) + 1))], dtype=object)
    return FeaturesData(num_feature_data=numbers if numbers.shape[1] else None, cat_feature_data=words[codes + 1])


def value_format(column):
    """Return how the values of a column of contract.json are written."""
    missing = column.get("missing_values")
    return ValueFormat(
        date_order=column.get("date_order"),
        date_format=column.get("date_format"),
        number_format=column.get("number_format"),
        missing_values=None if missing is None else tuple(missing),
        strip=column.get("strip", False),
        time_zone=column.get("time_zone"),
    )


def find_boolean_texts(columns, layout):
    """Return how text features spelled false and true in the training, for those that did in one way only."""
    texts = {column["name"] for column in columns if column["data_type"] == "String"}
    found = {}
    for column in layout:
        if column["encoding"] != "category" or column["source"] not in texts:
            continue
        pairs = []
        for family in BOOLEAN_TEXTS:
            spellings = [[text for text in column["vocabulary"] if text.lower() == member] for member in family]
            others = [text for text in column["vocabulary"] if text.isdigit() and text not in family]
            is_number = family == ("0", "1") and bool(others)
            if all(len(each) == 1 for each in spellings) and not is_number:
                pairs.append((spellings[0][0], spellings[1][0]))
        if len(pairs) == 1:
            found[column["source"]] = pairs[0]
    return found


def encode(value, column):
    """Return the number that the model reads; NaN where the value is missing."""
    if value is None:
        return math.nan
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    encoding = column["encoding"]
    if encoding == "category":
        return column["codes"].get(str(value), len(column["codes"]) if column["has_other"] else math.nan)
    if encoding in ("number", "boolean", "epoch_days"):
        # Whole numbers are subtracted as such: float64 holds 53 bits of them.
        count = (value - EPOCH) / timedelta(days=1) if encoding == "epoch_days" else value
        number = float(count - column.get("offset", 0)) * column.get("scale", 1.0)
        return min(max(number, -MAX_FLOAT32), MAX_FLOAT32)
    if column.get("time_zone"):
        value = to_local(value, find_time_zone(column["time_zone"]))
    return value.weekday() if encoding == "weekday" else getattr(value, encoding)


def to_label(value):
    """Return a value or a class as JSON and CSV write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def score_file(path, target):
    """Write a line for each row of a CSV file: Id columns, prediction, probabilities, and the error of a bad row."""
    scorer = Scorer()
    columns = [f"probability_{to_label(value)}" for value in scorer.classes or ()]
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        ids = [name for name, role in scorer.manifest["roles"].items() if role == "Id" and name in rows.fieldnames]
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow([*ids, "prediction", *columns, "error"])
        while batch := list(islice(rows, 10_000)):
            for row, cells in zip(batch, score_batch(scorer, batch), strict=True):
                writer.writerow([*(row[name] for name in ids), *cells])


def score_batch(scorer, batch):
    """Yield prediction, probabilities and error of each row."""
    parsed = []
    for row in batch:
        try:
            parsed.append((scorer.parse(row), ""))
        except ValueError as error:
            parsed.append((None, str(error)))
    matrix = np.array([row for row, _ in parsed if row is not None], np.float32)
    scores = iter(list(scorer.predict_matrix(matrix)) if len(matrix) else [])
    for row, error in parsed:
        if row is None:
            yield [""] * (1 + len(scorer.classes or ())) + [error]
            continue
        score = next(scores)
        prediction = to_label(scorer.format_prediction(score)["prediction"])
        probabilities = [float(p) for p in score] if scorer.classes else []
        yield [prediction, *probabilities, ""]


if __name__ == "__main__":
    score_file(sys.argv[1], sys.stdout)
