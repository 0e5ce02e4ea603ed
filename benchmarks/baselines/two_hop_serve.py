"""A two-hop Serve application: a FastAPI ingress that calls a model's deployment by handle.

It runs under Serve's default settings, without authorisation, validation or a prediction log.
"""

import sys
from pathlib import Path

import numpy as np
import ray
from fastapi import FastAPI, Request
from ray import serve

from benchmarks.baselines.booster import load_booster

app = FastAPI()


@serve.deployment
class Model:
    """The deployment that holds the booster of a bundle."""

    def __init__(self, bundle: str) -> None:
        self._encode, self._predict = load_booster(Path(bundle))

    async def predict(self, features: dict[str, object]) -> float:
        """Return the prediction of one row."""
        return float(self._predict(np.array([self._encode(features)], dtype=np.float32))[0])


@serve.deployment
@serve.ingress(app)
class Ingress:
    """The HTTP deployment, with one route, `POST /predict`."""

    def __init__(self, model: serve.handle.DeploymentHandle) -> None:
        self._model = model

    @app.post("/predict")
    async def predict(self, request: Request) -> dict[str, float]:
        """Answer the prediction of the row in the body."""
        body = await request.json()
        return {"prediction": await self._model.predict.remote(body["features"])}


if __name__ == "__main__":
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"port": int(sys.argv[2])})
    serve.run(Ingress.bind(Model.bind(sys.argv[1])), blocking=False)
    print("ready", flush=True)
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()
