"""What runs in each worker of a distributed fit: its share of the rows, and rounds in step with the others."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
from ray.train import Checkpoint

ORDER, MODEL, HISTORY = "order", "model", "history.json"


@dataclass(frozen=True)
class FitOrder:
    """What every worker is told. `params` are the library's own, without rounds and stopping; `metric` names the score
    of the validation rows among the library's; `state` is a file for the one that waits."""

    algorithm: str
    params: dict[str, Any]
    metric: str
    rounds: int
    patience: int
    every: int
    width: int
    categorical: tuple[int, ...]
    state: str


@dataclass
class Boosting:
    """How far a fit is: the score of each round so far. All workers have the same ones, so all of them stop at once."""

    order: FitOrder
    history: list[float] = field(default_factory=list)
    resumed_at: int = 0

    @property
    def best(self) -> int:
        """Rounds up to the best one."""
        return int(np.argmin(self.history)) + 1

    @property
    def is_over(self) -> bool:
        done = len(self.history)
        return done >= self.order.rounds or (done > 0 and done - self.best >= self.order.patience)

    def after_round(self, score: float, model: Any) -> bool:
        """Takes note of a round, now and then for good; True when it was the last one."""
        self.history.append(float(score))
        if len(self.history) % self.order.every == 0:
            self._keep(model)
        return self.is_over

    def _keep(self, model: Any) -> None:
        # Each worker reports, for a report is where they wait for each other; the first one brings the checkpoint.
        if ray.train.get_context().get_world_rank() > 0:
            ray.train.report({})
            return
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, MODEL).write_bytes(_content(self.order, model))
            Path(folder, HISTORY).write_text(json.dumps(self.history))
            ray.train.report({}, checkpoint=Checkpoint(folder))
        self.tell()

    def tell(self) -> None:
        """For the progress: written whole or not at all, for it is read at any time."""
        if ray.train.get_context().get_world_rank() == 0:
            new = Path(f"{self.order.state}.new")
            new.parent.mkdir(parents=True, exist_ok=True)  # on another node nobody has made it
            new.write_text(json.dumps({"round": len(self.history), "resumed_at": self.resumed_at}))
            new.replace(self.order.state)


@dataclass(frozen=True)
class Boosted:
    """The result of the first worker: the model of all rounds, in its library's format, and the scores of each."""

    model: bytes
    history: list[float]
    resumed_at: int


def fit_share(config: dict[str, Any]) -> dict[str, Any] | None:
    """Fit with the other workers, as the `FitOrder` in `config` says; the first one returns a `Boosted`, as its
    fields."""
    order: FitOrder = config[ORDER]
    os.nice(10)  # as the worker that waits for it
    rank = ray.train.get_context().get_world_rank()
    train = _gathered(f"train-{rank}", order.width)
    # Of the validation rows everyone has all: LightGBM scores them in each worker by itself, and workers that came to
    # different scores would stop at different rounds, and wait for each other for ever.
    validation = _gathered("validation", order.width)
    boosting, model = _resumed(order)
    boosting.tell()
    if not boosting.is_over:
        fit = _boost_xgboost if order.algorithm == "XGBoost" else _boost_lightgbm
        model = fit(boosting, train, validation, model)
    if rank > 0:
        return None
    return asdict(Boosted(_content(order, model), boosting.history, boosting.resumed_at))


def _gathered(name: str, width: int) -> tuple[np.ndarray, np.ndarray]:
    shard: Any = ray.train.get_dataset_shard(name)
    xs, ys = [np.empty((0, width), np.float32)], [np.empty(0)]
    for batch in shard.iter_batches(batch_size=None, batch_format="numpy"):
        xs.append(batch["x"])
        ys.append(batch["y"])
    return np.concatenate(xs), np.concatenate(ys)


def _resumed(order: FitOrder) -> tuple[Boosting, Any]:
    """Where the last checkpoint was, or the beginning."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return Boosting(order), None
    with checkpoint.as_directory() as folder:
        history = json.loads(Path(folder, HISTORY).read_text())
        return Boosting(order, history, resumed_at=len(history)), _load(order, Path(folder, MODEL))


def _boost_xgboost(
    boosting: Boosting, train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], model: Any
) -> Any:
    import xgboost
    from xgboost.callback import TrainingCallback

    order = boosting.order
    types = ["c" if i in order.categorical else "q" for i in range(order.width)]
    options: dict[str, Any] = {"feature_types": types, "enable_categorical": True, "nthread": order.params["nthread"]}
    train_data = xgboost.QuantileDMatrix(*train, max_bin=order.params.get("max_bin", 256), **options)
    valid_data = xgboost.QuantileDMatrix(*validation, ref=train_data, **options)

    class Rounds(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return boosting.after_round(evals_log["validation"][order.metric][-1], model)

    return xgboost.train(
        order.params,
        train_data,
        num_boost_round=order.rounds - len(boosting.history),
        evals=[(valid_data, "validation")],
        xgb_model=model,
        verbose_eval=False,
        callbacks=[Rounds()],
    )


def _boost_lightgbm(
    boosting: Boosting, train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], model: Any
) -> Any:
    import lightgbm
    from ray.train.lightgbm import get_network_params

    order = boosting.order
    params = order.params | {"tree_learner": "data_parallel", "pre_partition": True} | get_network_params()
    train_data = lightgbm.Dataset(*train, categorical_feature=list(order.categorical), params=params)
    valid_data = lightgbm.Dataset(*validation, reference=train_data)

    def after_iteration(state: Any) -> None:
        score = next(entry[2] for entry in state.evaluation_result_list if entry[1] == order.metric)
        if boosting.after_round(score, state.model):
            raise lightgbm.callback.EarlyStopException(state.iteration, state.evaluation_result_list)

    return lightgbm.train(
        params,
        train_data,
        num_boost_round=order.rounds - len(boosting.history),
        valid_sets=[valid_data],
        valid_names=["validation"],
        init_model=model,
        keep_training_booster=True,
        callbacks=[after_iteration],
    )


def _content(order: FitOrder, model: Any) -> bytes:
    if order.algorithm == "XGBoost":
        return bytes(model.save_raw("ubj"))
    # All rounds: by itself it would write those up to its own best one.
    return model.model_to_string(num_iteration=-1).encode()


def _load(order: FitOrder, path: Path) -> Any:
    content = path.read_bytes()
    if order.algorithm == "XGBoost":
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(content))
        return booster
    import lightgbm

    return lightgbm.Booster(model_str=content.decode())
