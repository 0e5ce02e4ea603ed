"""Save a LightGBM booster as a model of mlflow: `python mlflow_save.py MODEL FOLDER`."""

import sys

import lightgbm
import mlflow.lightgbm

if __name__ == "__main__":
    mlflow.lightgbm.save_model(lightgbm.Booster(model_file=sys.argv[1]), sys.argv[2], pip_requirements=["lightgbm"])
