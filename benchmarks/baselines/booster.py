"""The booster of a bundle, called as its own library documents it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson

from dataml.ml.preprocessing import Preprocessing

Encode = Callable[[dict[str, object]], list[float]]
Predict = Callable[[np.ndarray], np.ndarray]


def load_booster(bundle: Path, threads: int = 1) -> tuple[Encode, Predict]:
    """Return the function that encodes a row as the training did, and the native booster's predict function."""
    preprocessing = Preprocessing.from_json(orjson.loads((bundle / "preprocess.json").read_bytes()))
    if (bundle / "model.txt").exists():
        import lightgbm

        booster = lightgbm.Booster(model_file=bundle / "model.txt")
        return preprocessing.transform_row, lambda matrix: np.asarray(booster.predict(matrix, num_threads=threads))
    import xgboost

    model = xgboost.Booster(model_file=bundle / "model.ubj")
    model.set_param({"nthread": threads})
    return preprocessing.transform_row, model.inplace_predict
