"""A trained forecaster of all algorithms, which several modules read."""

import pytest

from dataml.ml.forecasting.training import TrainedForecaster
from tests.ml.forecasting.training_data import train_on


@pytest.fixture(scope="session")
def auto_training(tmp_path_factory: pytest.TempPathFactory) -> TrainedForecaster:
    """Return a training of `auto`, made once: its AutoARIMA takes seconds."""
    return train_on(tmp_path_factory.mktemp("auto"), "auto", season_length=12)
