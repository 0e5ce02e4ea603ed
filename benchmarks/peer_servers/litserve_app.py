"""LitServe with a LightGBM booster: `python litserve_app.py MODEL PORT`."""

import sys

import lightgbm
import litserve
import numpy as np


class Booster(litserve.LitAPI):
    """The booster of a file."""

    def setup(self, device):
        """Load the booster, in the process of the worker."""
        self.booster = lightgbm.Booster(model_file=sys.argv[1])

    def decode_request(self, request):
        """Return the row of a request."""
        return np.array([request["row"]])

    def predict(self, x):
        """Return the prediction of a row."""
        return self.booster.predict(x, num_threads=1)

    def encode_response(self, output):
        """Return the body of the answer."""
        return {"prediction": float(output[0])}


if __name__ == "__main__":
    server = litserve.LitServer(Booster(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, generate_client_file=False, log_level="warning"
    )
