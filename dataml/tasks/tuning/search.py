"""Searching for better hyperparameters: Ray Tune runs the trials, Optuna's TPE chooses what to try next."""

import logging
import math
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from dataml.errors import Invalid
from dataml.jobs.spec import TuningConfig
from dataml.tasks.tuning.search_space import ALGORITHM, DEADLINE, OBJECTIVE, SEPARATOR, Ranges, own_parameters

Objective = Callable[[dict[str, Any]], float]
Progress = Callable[[float, str], None]

_RANDOM_TRIALS: Final = 10
"""Before TPE has learned anything it draws at random: Optuna's own number, and less in a short search."""


@dataclass(frozen=True)
class Trial:
    """One set of parameters that was tried. `score` is None unless it finished; `reason` says why it failed."""

    number: int
    params: dict[str, Any]
    score: float | None
    seconds: float
    state: Literal["finished", "failed", "stopped"]
    reason: str = ""


@dataclass(frozen=True)
class Search:
    """What a search found. `best` are the parameters of the lowest score; when no trial finished in time, they are the
    first ones of `initial`, `score` is None, and `note` says so."""

    best: dict[str, Any]
    score: float | None
    trials: tuple[Trial, ...]
    note: str = ""


def search(
    objective: Objective,
    space: Mapping[str, Ranges],
    tuning: TuningConfig,
    *,
    seed: int,
    progress: Progress,
    initial: Sequence[Mapping[str, Any]],
    folder: Path,
    measure: str = "score",
    shown: Callable[[float], str] = lambda score: f"{score:.4g}",
    at_once: int = 1,
) -> Search:
    """Try up to `tuning.trials` sets of parameters and keep the one with the lowest score.

    `space` has the ranges of each algorithm (see `search_space.space_of`); `objective` is given `algorithm` and its
    parameters, runs in processes of its own, and may close over arrays, which are copied to shared memory once. The
    first trials are those of `initial`, each with its `algorithm`; what one of them leaves out stays out, so that
    `{"algorithm": "XGBoost"}` is a fit with nothing set. `folder` is used meanwhile and then removed. `measure` and
    `shown` say scores in the progress.

    The processes take no CPU of the cluster's account, for on a small machine the platform holds them all: `at_once`
    bounds them instead. One at a time is the default, for the boosters bring their own threads. With several,
    parameters are drawn for so many trials and then for the next so many: the seed makes the result, not which of them
    is done first. It costs the start of a process for each of them but one. Only a time budget, which the start of the
    first process is part of, depends on the machine; what runs when it is over is stopped.

    Raises Invalid (`tuning_failed`) with the first reason when no trial gave a score and none was stopped.
    """
    import ray

    if not ray.is_initialized():
        raise RuntimeError("a search runs on a Ray cluster")
    record = _Record(tuning, progress, measure, shown)
    shared = ray.put(objective)
    try:
        _run(shared, space, tuning, seed, initial, folder, at_once, record)
    finally:
        record.tidy(folder)
    return record.outcome(dict(initial[0]))


def _run(
    objective: Any,
    space: Mapping[str, Ranges],
    tuning: TuningConfig,
    seed: int,
    initial: Sequence[Mapping[str, Any]],
    folder: Path,
    at_once: int,
    record: "_Record",
) -> None:
    # Tune reads them where it starts: no table of trials on the console, no log files a trial, no snapshots to resume.
    for name in ("RAY_AIR_NEW_OUTPUT", "TUNE_PRINT_ALL_TRIAL_ERRORS"):
        os.environ[name] = "0"
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "86400"
    from ray import tune

    from dataml.tasks.tuning.trial import ObjectiveTrial, UntilDeadline

    budget = tuning.time_budget_s
    deadline = math.inf if budget is None else time.time() + budget
    # A bundle has to ask for something: a byte of memory, of which there always is one.
    resources = tune.PlacementGroupFactory([{"memory": 1}])
    with _quiet("ray.tune"):
        tune.Tuner(
            tune.with_resources(ObjectiveTrial, resources),
            param_space={OBJECTIVE: objective, DEADLINE: deadline},
            tune_config=tune.TuneConfig(
                metric="score",
                mode="min",
                search_alg=_searcher(space, tuning, seed, initial, at_once),
                num_samples=tuning.trials,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tuning",
                storage_path=str(folder.absolute()),
                stop=UntilDeadline(deadline),
                verbose=0,
                callbacks=[_callback(record)],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()


def _searcher(
    space: Mapping[str, Ranges], tuning: TuningConfig, seed: int, initial: Sequence[Mapping[str, Any]], at_once: int
) -> Any:
    import optuna
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    points = tuple(_named(point) for point in initial[: tuning.trials])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Multivariate: parameters of a booster depend on each other. In groups: some exist for one algorithm only.
        sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, n_startup_trials=min(_RANDOM_TRIALS, max(2, tuning.trials // 3))
        )
    searcher = OptunaSearch(
        _Conditional(space, points), metric="score", mode="min", sampler=sampler, points_to_evaluate=list(points)
    )
    return ConcurrencyLimiter(searcher, max_concurrent=at_once, batch=True)


def _named(point: Mapping[str, Any]) -> dict[str, Any]:
    own = {f"{point[ALGORITHM]}{SEPARATOR}{name}": value for name, value in point.items() if name != ALGORITHM}
    return {ALGORITHM: point[ALGORITHM], **own}


@dataclass(frozen=True)
class _Conditional:
    """Draws an algorithm and then its own parameters; of the first trials, what was given for them and no more."""

    space: Mapping[str, Ranges]
    points: tuple[dict[str, Any], ...]

    def __call__(self, trial: Any) -> dict[str, Any]:
        given = self.points[trial.number] if trial.number < len(self.points) else None
        algorithm = trial.suggest_categorical(ALGORITHM, list(self.space))
        for name, values in self.space[algorithm].items():
            full = f"{algorithm}{SEPARATOR}{name}"
            if given is None or full in given:
                values.suggest(trial, full)
        return given or {}


class _Record:
    """What became of the trials so far, told as it happens."""

    def __init__(self, tuning: TuningConfig, progress: Progress, measure: str, shown: Callable[[float], str]) -> None:
        self._tuning = tuning
        self._progress = progress
        self._measure = measure
        self._shown = shown
        self._begun = time.monotonic()
        self._started: dict[str, tuple[int, dict[str, Any], float]] = {}
        self._ended: dict[str, Trial] = {}
        self._scratch: Path | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Tune writes down what it was started with, and nobody reads it. Who is told of the progress cannot be."""
        return {}

    def writes(self, scratch: Path) -> None:
        """Tune keeps files of this search in `scratch`, a folder of Ray's session."""
        self._scratch = scratch

    def starts(self, key: str, params: dict[str, Any]) -> None:
        self._started[key] = (len(self._started) + 1, params, time.monotonic())
        self._tell(f"Trial {len(self._started)} of {self._tuning.trials}")

    def ends(self, key: str, score: float, seconds: float, reason: str) -> None:
        number, params, _ = self._started[key]
        if reason:
            self._ended[key] = Trial(number, params, None, seconds, "failed", reason)
            self._tell(f"Trial {number} of {self._tuning.trials}: failed")
        else:
            self._ended[key] = Trial(number, params, score, seconds, "finished")
            self._tell(f"Trial {number} of {self._tuning.trials}: {self._measure} {self._shown(score)}")

    def dies(self, key: str) -> None:
        seconds = time.monotonic() - self._started[key][2]
        self.ends(key, math.inf, seconds, "Its process ended; it may have needed more memory than there is.")

    def outcome(self, otherwise: dict[str, Any]) -> Search:
        stopped = {
            key: Trial(number, params, None, time.monotonic() - started, "stopped")
            for key, (number, params, started) in self._started.items()
            if key not in self._ended
        }
        trials = tuple(sorted((self._ended | stopped).values(), key=lambda trial: trial.number))
        best = self._best()
        if best is not None:
            return Search(best.params, best.score, trials)
        if trials and not stopped:
            reason = trials[0].reason
            raise Invalid(
                f"All {len(trials)} trials of the tuning failed. The first one: {reason}", code="tuning_failed"
            )
        budget = self._tuning.time_budget_s
        note = f"No trial finished within the time budget of {budget:g} s; the defaults were used."
        return Search(otherwise, None, trials, note)

    def tidy(self, folder: Path) -> None:
        """Removes what Tune has written, here and in the folder of Ray's session."""
        shutil.rmtree(folder, ignore_errors=True)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _best(self) -> Trial | None:
        finished = [trial for trial in self._ended.values() if trial.score is not None]
        return min(finished, key=lambda trial: (trial.score, trial.number), default=None)

    def _tell(self, message: str) -> None:
        best = self._best()
        share = len(self._ended) / self._tuning.trials
        if self._tuning.time_budget_s is not None:
            share = max(share, (time.monotonic() - self._begun) / self._tuning.time_budget_s)
        so_far = "" if best is None or best.score is None else f", best {self._shown(best.score)}"
        self._progress(min(1.0, share), message + so_far)


def _callback(record: _Record) -> Any:
    from ray.tune import Callback

    class Told(Callback):
        def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
            if trials:
                record.writes(Path(trials[0].local_experiment_path).parents[1])

        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            record.starts(trial.trial_id, own_parameters(trial.config))

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            result = trial.last_result
            if result["error"] or math.isfinite(result["score"]):
                record.ends(trial.trial_id, result["score"], result["seconds"], result["error"])

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            record.dies(trial.trial_id)

    return Told()


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Nothing short of a disaster is logged under these names: what happens to the trials is in the record."""
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
