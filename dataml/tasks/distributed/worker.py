"""The worker of a distributed fit: its shard of the rows, and boosting rounds in step with the other workers."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
from ray.train import Checkpoint

CONFIG, MODEL, HISTORY = "config", "model", "history.json"


@dataclass(frozen=True)
class WorkerConfig:
    """The configuration of every worker.

    Attributes:
        algorithm: `XGBoost` or `LightGBM`.
        params: parameters of the library, without rounds and early stopping.
        metric: the library's name of the score of the validation rows.
        rounds: the most boosting rounds.
        patience: rounds without improvement after which the fit stops.
        checkpoint_interval: rounds between checkpoints.
        width: columns of the matrix.
        categorical: positions of the categorical columns.
        state: path of a file to which the first worker writes its progress.
    """

    algorithm: str
    params: dict[str, Any]
    metric: str
    rounds: int
    patience: int
    checkpoint_interval: int
    width: int
    categorical: tuple[int, ...]
    state: str


@dataclass
class BoostingState:
    """The state of a fit: the score of each round so far.

    All workers have the same scores, so all of them stop after the same round.
    """

    config: WorkerConfig
    history: list[float] = field(default_factory=list)
    resumed_at: int = 0

    @property
    def best(self) -> int:
        """The number of rounds up to the best one."""
        return int(np.argmin(self.history)) + 1

    @property
    def is_over(self) -> bool:
        """Whether the fit has made all rounds, or stops early."""
        done = len(self.history)
        return done >= self.config.rounds or (done > 0 and done - self.best >= self.config.patience)

    def after_round(self, score: float, model: Any) -> bool:
        """Record a round, with a checkpoint at intervals; return whether it was the last one."""
        self.history.append(float(score))
        if len(self.history) % self.config.checkpoint_interval == 0:
            self._checkpoint(model)
        return self.is_over

    def _checkpoint(self, model: Any) -> None:
        # Every worker must report, because they wait for each other there; the first one adds the checkpoint.
        if ray.train.get_context().get_world_rank() > 0:
            ray.train.report({})
            return
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, MODEL).write_bytes(_dump(self.config, model))
            Path(folder, HISTORY).write_text(json.dumps(self.history))
            ray.train.report({}, checkpoint=Checkpoint(folder))
        self.write_progress()

    def write_progress(self) -> None:
        """Write the progress, from the first worker; the file is replaced as a whole, for it is read at any time."""
        if ray.train.get_context().get_world_rank() == 0:
            new = Path(f"{self.config.state}.new")
            new.parent.mkdir(parents=True, exist_ok=True)  # on another node it does not exist yet
            new.write_text(json.dumps({"round": len(self.history), "resumed_at": self.resumed_at}))
            new.replace(self.config.state)


@dataclass(frozen=True)
class BoostingResult:
    """The result of the first worker: the model with all rounds, in its library's format, and the score of each."""

    model: bytes
    history: list[float]
    resumed_at: int


def fit_shard(loop_config: dict[str, Any]) -> dict[str, Any] | None:
    """Fit together with the other workers, by the `WorkerConfig` in `loop_config`.

    Returns:
        The fields of a `BoostingResult` from the first worker, None from the others.
    """
    config: WorkerConfig = loop_config[CONFIG]
    os.nice(10)  # like the worker that waits for it
    rank = ray.train.get_context().get_world_rank()
    train = _collect(f"train-{rank}", config.width)
    # Every worker has all validation rows: LightGBM scores them in each worker separately, and workers with different
    # scores would stop after different rounds, and wait for each other for ever.
    validation = _collect("validation", config.width)
    boosting, model = _resume(config)
    boosting.write_progress()
    if not boosting.is_over:
        fit = _boost_xgboost if config.algorithm == "XGBoost" else _boost_lightgbm
        model = fit(boosting, train, validation, model)
    if rank > 0:
        return None
    return asdict(BoostingResult(_dump(config, model), boosting.history, boosting.resumed_at))


def _collect(name: str, width: int) -> tuple[np.ndarray, np.ndarray]:
    shard: Any = ray.train.get_dataset_shard(name)
    xs, ys = [np.empty((0, width), np.float32)], [np.empty(0)]
    for batch in shard.iter_batches(batch_size=None, batch_format="numpy"):
        xs.append(batch["x"])
        ys.append(batch["y"])
    return np.concatenate(xs), np.concatenate(ys)


def _resume(config: WorkerConfig) -> tuple[BoostingState, Any]:
    """Return the state and the model of the last checkpoint, or a new state."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return BoostingState(config), None
    with checkpoint.as_directory() as folder:
        history = json.loads(Path(folder, HISTORY).read_text())
        return BoostingState(config, history, resumed_at=len(history)), _load(config, Path(folder, MODEL))


def _boost_xgboost(
    boosting: BoostingState, train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], model: Any
) -> Any:
    import xgboost
    from xgboost.callback import TrainingCallback

    config = boosting.config
    types = ["c" if i in config.categorical else "q" for i in range(config.width)]
    options: dict[str, Any] = {"feature_types": types, "enable_categorical": True, "nthread": config.params["nthread"]}
    train_data = xgboost.QuantileDMatrix(*train, max_bin=config.params.get("max_bin", 256), **options)
    valid_data = xgboost.QuantileDMatrix(*validation, ref=train_data, **options)

    class Rounds(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return boosting.after_round(evals_log["validation"][config.metric][-1], model)

    return xgboost.train(
        config.params,
        train_data,
        num_boost_round=config.rounds - len(boosting.history),
        evals=[(valid_data, "validation")],
        xgb_model=model,
        verbose_eval=False,
        callbacks=[Rounds()],
    )


def _boost_lightgbm(
    boosting: BoostingState, train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], model: Any
) -> Any:
    import lightgbm
    from ray.train.lightgbm import get_network_params

    config = boosting.config
    params = config.params | {"tree_learner": "data_parallel", "pre_partition": True} | get_network_params()
    train_data = lightgbm.Dataset(*train, categorical_feature=list(config.categorical), params=params)
    valid_data = lightgbm.Dataset(*validation, reference=train_data)

    def after_iteration(state: Any) -> None:
        score = next(entry[2] for entry in state.evaluation_result_list if entry[1] == config.metric)
        if boosting.after_round(score, state.model):
            raise lightgbm.callback.EarlyStopException(state.iteration, state.evaluation_result_list)

    return lightgbm.train(
        params,
        train_data,
        num_boost_round=config.rounds - len(boosting.history),
        valid_sets=[valid_data],
        valid_names=["validation"],
        init_model=model,
        keep_training_booster=True,
        callbacks=[after_iteration],
    )


def _dump(config: WorkerConfig, model: Any) -> bytes:
    if config.algorithm == "XGBoost":
        return bytes(model.save_raw("ubj"))
    # All rounds: the default is to write those up to its own best round.
    return model.model_to_string(num_iteration=-1).encode()


def _load(config: WorkerConfig, path: Path) -> Any:
    content = path.read_bytes()
    if config.algorithm == "XGBoost":
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(content))
        return booster
    import lightgbm

    return lightgbm.Booster(model_str=content.decode())
