"""A two-hop Serve application: a FastAPI ingress that calls a model's deployment by handle.

It has no authorisation, validation or prediction log. `BUNDLE PORT` runs it under Serve's default settings,
`BUNDLE PORT HOME` with the data plane of the platform.
"""

import sys
from pathlib import Path

import numpy as np
import ray
from fastapi import FastAPI, Request
from ray import serve

from benchmarks.baselines.booster import load_booster
from deployments import platform

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


def run_as_platform(bundle: str, port: int, home: Path) -> None:
    """Run it as `dataml up` runs the platform: HAProxy, replicas that serve HTTP, and as many requests at a time."""
    limits = {"max_ongoing_requests": 256, "max_queued_requests": 1024}
    with platform.hold_home(home, "127.0.0.1", port):
        model = Model.options(**limits)
        platform.run(
            home,
            port,
            lambda: Ingress.options(**limits).bind(model.bind(bundle)),
            on_ready=lambda: print("ready", flush=True),
        )


def run_by_default(bundle: str, port: int) -> None:
    """Run it under Serve's default settings until the standard input ends."""
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"port": port})
    serve.run(Ingress.bind(Model.bind(bundle)), blocking=False)
    print("ready", flush=True)
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    if len(sys.argv) > 3:
        run_as_platform(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]).absolute())
    else:
        run_by_default(sys.argv[1], int(sys.argv[2]))
