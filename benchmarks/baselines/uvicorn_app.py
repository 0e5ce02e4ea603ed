"""A hand-written service: uvicorn, FastAPI, a pydantic model of the row, and the booster; one process."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, create_model

from benchmarks.baselines.booster import load_booster


def create_app(bundle: Path, fields: dict[str, Any]) -> FastAPI:
    """Return an application with one route, `POST /predict`."""
    encode, predict_matrix = load_booster(bundle)
    Features = create_model("Features", **fields)
    app = FastAPI()

    class Body(BaseModel):
        features: Features  # type: ignore[valid-type]

    @app.post("/predict")
    async def predict(body: Body) -> dict[str, float]:
        row = np.array([encode(body.features.model_dump())], dtype=np.float32)
        return {"prediction": float(predict_matrix(row)[0])}

    return app


if __name__ == "__main__":
    import orjson

    python = {"String": str | None, "Integer": int | None, "Float": float | None, "Boolean": bool | None}
    fields = {name: (python[data_type], ...) for name, data_type in orjson.loads(os.environ["FIELDS"]).items()}
    application = create_app(Path(sys.argv[1]), fields)
    uvicorn.run(application, port=int(sys.argv[2]), log_level="error", loop="uvloop", http="httptools")
