"""Predicts with an exported model. It needs Python 3.11, NumPy and the model's own library (requirements.txt), no more.

python scorer.py rows.csv > predictions.csv

from scorer import Scorer
Scorer().predict([{"age": 41, "plan": "basic"}])
"""

import csv
import json
import math
import re
import sys
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

FILES = {"XGBoost": "model.ubj", "LightGBM": "model.txt", "CatBoost": "model.cbm"}
TRUE, FALSE = ("true", "yes", "y", "t", "1"), ("false", "no", "n", "f", "0")
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
INTEGER = re.compile(r"[+-]?[0-9]+(?:\.0*)?")
LARGEST = float(np.finfo(np.float32).max)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Scorer:
    """The model of a folder: contract.json reads a row, preprocess.json makes numbers of it, the boosters predict."""

    def __init__(self, folder=None):
        self.folder = Path(folder) if folder else Path(__file__).resolve().parent
        self.manifest = self._json("manifest.json")
        used = [name for name, role in self.manifest["roles"].items() if role in ("Feature", "Time")]
        self.columns = [column for column in self._json("contract.json")["columns"] if column["name"] in used]
        self.layout = self._json("preprocess.json")["columns"]
        for column in self.layout:
            column["codes"] = {text: code for code, text in enumerate(column.get("vocabulary", ()))}
        self.categorical = [i for i, column in enumerate(self.layout) if column["encoding"] == "category"]
        self.classes = self.manifest["classes"]
        members = self.manifest.get("members") or [{"algorithm": self.manifest["algorithm"], "weight": 1.0}]
        self.members = [(load(self.folder, m["algorithm"]), m["algorithm"], m["weight"]) for m in members]

    def parse(self, row):
        """A dict of JSON values or CSV texts as a row of the matrix; what is no feature is ignored. Raises ValueError
        that names what is wrong."""
        values = {}
        for column in self.columns:
            name, default = column["name"], column["default"]
            if name not in row and default is None:
                raise ValueError(f"{name}: it is missing and has no default")
            try:
                value = typed(row.get(name), column["data_type"])
                values[name] = typed(default, column["data_type"]) if value is None else value
            except (ValueError, TypeError, OverflowError) as error:
                raise ValueError(f"{name}: {row.get(name)!r} is no {column['data_type']}: {error}") from error
            if values[name] is None and not column["nullable"]:
                raise ValueError(f"{name}: it must have a value")
        return [encoded(values[column["source"]], column) for column in self.layout]

    def scores(self, matrix):
        """Numbers (rows,), or probabilities (rows, classes), of a float32 matrix."""
        predictions = [(weight, self._predicted(booster, name, matrix)) for booster, name, weight in self.members]
        return combined(predictions, self.manifest.get("calibration"))

    def predict(self, rows):
        """A dict for each dict of `rows`: `prediction` and, for classes, `probability` and `probabilities`."""
        matrix = np.array([self.parse(row) for row in rows], np.float32).reshape(-1, len(self.layout))
        return [self.answer(score) for score in (self.scores(matrix) if len(matrix) else ())]

    def answer(self, score):
        if self.classes is None:
            return {"prediction": float(score), "probability": None, "probabilities": None}
        best = int(np.argmax(score))
        named = {text(value): float(p) for value, p in zip(self.classes, score, strict=True)}
        return {"prediction": self.classes[best], "probability": float(score[best]), "probabilities": named}

    def _predicted(self, booster, algorithm, matrix):
        if algorithm == "CatBoost":
            kind = "RawFormulaVal" if self.classes is None else "Probability"
            return np.asarray(booster.predict(catboost_rows(matrix, self.categorical), prediction_type=kind))
        if algorithm == "XGBoost":
            found = booster.inplace_predict(matrix, validate_features=False)
        else:
            found = booster.predict(matrix)
        found = np.asarray(found)
        return np.column_stack((1 - found, found)) if self.classes and len(self.classes) == 2 else found

    def _json(self, name):
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def combined(predictions, calibration):
    """The one answer of all boosters, [(weight, prediction), ...]: their weighted mean, and for classes the calibration
    that manifest.json records (None: there is none)."""
    mean = predictions[0][1]
    if len(predictions) > 1:
        mean = np.sum([weight * prediction.astype(np.float64) for weight, prediction in predictions], axis=0)
    if calibration is None:
        return mean
    given, smallest = np.asarray(mean, np.float64), 1e-6
    if calibration["method"] == "temperature":
        powered = np.log(np.clip(given, smallest, 1)) / calibration["temperature"]
        powered = np.exp(powered - powered.max(axis=1, keepdims=True))
        return powered / powered.sum(axis=1, keepdims=True)
    if calibration["method"] == "sigmoid":
        clipped = np.clip(given[:, 1], smallest, 1 - smallest)
        odds = calibration["slope"] * np.log(clipped / (1 - clipped)) + calibration["offset"]
        second = 1 / (1 + np.exp(-odds))
    elif calibration["method"] == "isotonic":
        second = np.interp(given[:, 1], calibration["knots"], calibration["values"])
    else:
        raise ValueError(f"this scorer does not know the calibration {calibration['method']!r}")
    return np.column_stack((1 - second, second))


def load(folder, algorithm):
    path = str(folder / FILES[algorithm])
    if algorithm == "XGBoost":
        import xgboost

        return xgboost.Booster(model_file=path)
    if algorithm == "LightGBM":
        import lightgbm

        return lightgbm.Booster(model_file=path)
    import catboost

    return catboost.CatBoost().load_model(path)


def catboost_rows(matrix, categorical):
    """As CatBoost reads rows: the numbers, and behind them the categories as text, empty where missing."""
    from catboost import FeaturesData

    numbers = np.ascontiguousarray(np.delete(matrix, categorical, axis=1), np.float32)
    if not categorical:
        return FeaturesData(num_feature_data=numbers)
    codes = np.nan_to_num(matrix[:, categorical], nan=-1).astype(int)
    words = np.array([b"", *(b"%d" % code for code in range(codes.max(initial=-1) + 1))], dtype=object)
    return FeaturesData(num_feature_data=numbers if numbers.shape[1] else None, cat_feature_data=words[codes + 1])


def typed(value, data_type):
    """The value as its column has it, dates as moments in UTC; None where it is missing."""
    if isinstance(value, str) and data_type != "String":
        value = value.strip()
    return None if value is None or value == "" else READ[data_type](value)


def string(value):
    if isinstance(value, datetime):
        return moment(value).isoformat().replace("+00:00", "Z")
    if not isinstance(value, str | int | float | date):
        raise ValueError("it is no text")
    return text(value)


def whole(value):
    if isinstance(value, bool) or (isinstance(value, str) and not INTEGER.fullmatch(value)):
        raise ValueError("it is no whole number")
    number = int(value.partition(".")[0]) if isinstance(value, str) else int(value)
    if (not isinstance(value, str) and number != value) or not -(2**63) <= number < 2**63:
        raise ValueError("it is no whole number of 64 bits")
    return number


def real(value):
    if isinstance(value, bool) or (isinstance(value, str) and not NUMBER.fullmatch(value)):
        raise ValueError("it is no number")
    if not math.isfinite(float(value)):
        raise ValueError("it is not finite")
    return float(value)


def boolean(value):
    if text(value).lower() not in (*TRUE, *FALSE):
        raise ValueError("it is none of true/false, yes/no, y/n, t/f, 1/0")
    return text(value).lower() in TRUE


def moment(value):
    """A date, a moment, or either as ISO 8601."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def day(value):
    found = moment(value)
    if found.time() != time():
        raise ValueError("it has a time of day")
    return found


READ = {"String": string, "Integer": whole, "Float": real, "Boolean": boolean, "Date": day, "Timestamp": moment}


def encoded(value, column):
    """The number that the model reads; NaN where the value is missing."""
    if value is None:
        return math.nan
    encoding = column["encoding"]
    if encoding == "category":
        return column["codes"].get(str(value), len(column["codes"]) if column["has_other"] else math.nan)
    if encoding in ("number", "boolean"):
        return min(max(float(value), -LARGEST), LARGEST)
    if encoding == "epoch_days":
        return (value - EPOCH) / timedelta(days=1)
    return value.weekday() if encoding == "weekday" else getattr(value, encoding)


def text(value):
    """A value, or the name of a class, as JSON and CSV write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def score_file(path, target):
    """Write a line for each row of a CSV file: Id columns, prediction, probabilities, and what is wrong with a row."""
    scorer = Scorer()
    classes = [f"probability_{text(value)}" for value in scorer.classes or ()]
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        ids = [name for name, role in scorer.manifest["roles"].items() if role == "Id" and name in rows.fieldnames]
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow([*ids, "prediction", *classes, "error"])
        while part := list(islice(rows, 10_000)):
            parsed = []
            for row in part:
                try:
                    parsed.append((scorer.parse(row), ""))
                except ValueError as error:
                    parsed.append((None, str(error)))
            matrix = np.array([row for row, _ in parsed if row is not None], np.float32)
            found = iter(list(scorer.scores(matrix)) if len(matrix) else [])
            for row, (good, error) in zip(part, parsed, strict=True):
                cells = [""] * (1 + len(classes))
                if good is not None:
                    score = next(found)
                    cells = [text(scorer.answer(score)["prediction"]), *(float(p) for p in score if classes)]
                writer.writerow([*(row[name] for name in ids), *cells, error])


if __name__ == "__main__":
    score_file(sys.argv[1], sys.stdout)
