"""BentoML with a LightGBM booster: `MODEL=... bentoml serve bentoml_app:Booster`."""

import os

import bentoml
import lightgbm
import numpy as np


@bentoml.service(workers=1)
class Booster:
    """The booster of a file."""

    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file=os.environ["MODEL"])

    @bentoml.api
    def predict(self, row: list[float]) -> dict[str, float]:
        """Return the prediction of a row."""
        return {"prediction": float(self.booster.predict(np.array([row]), num_threads=1)[0])}
