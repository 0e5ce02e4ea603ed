"""The search for hyperparameters: Ray Tune runs the trials, Optuna's TPE suggests their parameters."""

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

from dataml.clocks import Deadline
from dataml.errors import Invalid
from dataml.jobs.spec import TuningConfig
from dataml.tasks.tuning.search_space import ALGORITHM, DEADLINE, OBJECTIVE, SEPARATOR, Ranges, own_parameters

Objective = Callable[[dict[str, Any]], float]
Progress = Callable[[float, str], None]

_RANDOM_TRIALS: Final = 10
"""Trials with random parameters before TPE starts: Optuna's own default; fewer in a short search."""


@dataclass(frozen=True)
class Trial:
    """One set of parameters that was tried; `score` is None unless it finished, `reason` says why it failed."""

    number: int
    params: dict[str, Any]
    score: float | None
    seconds: float
    state: Literal["finished", "failed", "stopped"]
    reason: str = ""


@dataclass(frozen=True)
class SearchResult:
    """The result of a search; `best` are the parameters with the lowest score.

    When no trial finished in time, they are the first ones of `initial`, `score` is None, and `note` says so.
    """

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
    metric: str = "score",
    format_score: Callable[[float], str] = lambda score: f"{score:.4g}",
    max_concurrency: int = 1,
) -> SearchResult:
    """Try up to `tuning.trials` sets of parameters and keep the one with the lowest score.

    The processes reserve no CPUs of the cluster, because on a small machine the platform reserves them all:
    `max_concurrency` limits them instead. The default is one, for the boosters use several threads themselves. With
    several, parameters are suggested for a whole batch of so many trials at a time: so the result depends on the seed,
    and not on the order in which trials end. Each process beyond the first costs its start. Only a time budget depends
    on the machine; the start of the first process is part of it, and trials that run at its end are stopped.

    Args:
        objective: takes `algorithm` and its parameters, and returns the score; lower is better. It runs in processes of
            its own, and may close over arrays, which are copied to shared memory once.
        space: the ranges of each algorithm; see `search_space.search_space`.
        tuning: the number of trials and the time budget.
        seed: of the sampler.
        progress: is called with the share that is done and a message.
        initial: the first trials, each with its `algorithm`. A parameter that one of them leaves out is not suggested
            either, so that `{"algorithm": "XGBoost"}` is a fit with the defaults.
        folder: is used during the search and then removed.
        metric: the name of the score in progress messages.
        format_score: formats scores in progress messages.
        max_concurrency: how many trials run at a time.

    Raises:
        Invalid: `tuning_failed`, with the first reason, when no trial has a score and none was stopped.
    """
    import ray

    if not ray.is_initialized():
        raise RuntimeError("a search runs on a Ray cluster")
    trials = _TrialLog(tuning, progress, metric, format_score)
    shared = ray.put(objective)
    try:
        _run(shared, space, tuning, seed, initial, folder, max_concurrency, trials)
    finally:
        trials.clean_up(folder)
    return trials.result(dict(initial[0]))


def _run(
    objective: Any,
    space: Mapping[str, Ranges],
    tuning: TuningConfig,
    seed: int,
    initial: Sequence[Mapping[str, Any]],
    folder: Path,
    max_concurrency: int,
    trials: "_TrialLog",
) -> None:
    # Tune reads them at its start: no table of trials on the console, no log files for trials, no snapshots to resume.
    for name in ("RAY_AIR_NEW_OUTPUT", "TUNE_PRINT_ALL_TRIAL_ERRORS"):
        os.environ[name] = "0"
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "86400"
    from ray import tune

    from dataml.tasks.tuning.trial import ObjectiveTrial, UntilDeadline

    budget = tuning.time_budget_s
    deadline = Deadline.after(math.inf if budget is None else budget)
    # A placement group must reserve something: a byte of memory is always available.
    resources = tune.PlacementGroupFactory([{"memory": 1}])
    with _silenced("ray.tune"):
        tune.Tuner(
            tune.with_resources(ObjectiveTrial, resources),
            param_space={OBJECTIVE: objective, DEADLINE: deadline},
            tune_config=tune.TuneConfig(
                metric="score",
                mode="min",
                search_alg=_searcher(space, tuning, seed, initial, max_concurrency),
                num_samples=tuning.trials,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tuning",
                storage_path=str(folder.absolute()),
                stop=UntilDeadline(deadline),
                verbose=0,
                callbacks=[_callback(trials)],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()


def _searcher(
    space: Mapping[str, Ranges],
    tuning: TuningConfig,
    seed: int,
    initial: Sequence[Mapping[str, Any]],
    max_concurrency: int,
) -> Any:
    import optuna
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    points = tuple(_qualify(point) for point in initial[: tuning.trials])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Multivariate, for the parameters of a booster depend on each other; grouped, for some belong to one algorithm.
        sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, n_startup_trials=min(_RANDOM_TRIALS, max(2, tuning.trials // 3))
        )
    searcher = OptunaSearch(
        _ConditionalSpace(space, points), metric="score", mode="min", sampler=sampler, points_to_evaluate=list(points)
    )
    return ConcurrencyLimiter(searcher, max_concurrent=max_concurrency, batch=True)


def _qualify(point: Mapping[str, Any]) -> dict[str, Any]:
    own = {f"{point[ALGORITHM]}{SEPARATOR}{name}": value for name, value in point.items() if name != ALGORITHM}
    return {ALGORITHM: point[ALGORITHM], **own}


@dataclass(frozen=True)
class _ConditionalSpace:
    """Suggests an algorithm and its own parameters; in an initial trial, only the parameters given for it."""

    space: Mapping[str, Ranges]
    points: tuple[dict[str, Any], ...]

    def __call__(self, trial: Any) -> dict[str, Any]:
        point = self.points[trial.number] if trial.number < len(self.points) else None
        algorithm = trial.suggest_categorical(ALGORITHM, list(self.space))
        for name, values in self.space[algorithm].items():
            full = f"{algorithm}{SEPARATOR}{name}"
            if point is None or full in point:
                values.suggest(trial, full)
        return point or {}


class _TrialLog:
    """The outcomes of the trials so far; each change is reported as progress."""

    def __init__(
        self, tuning: TuningConfig, progress: Progress, metric: str, format_score: Callable[[float], str]
    ) -> None:
        self._tuning = tuning
        self._progress = progress
        self._metric = metric
        self._format_score = format_score
        self._started_at = time.monotonic()
        self._started: dict[str, tuple[int, dict[str, Any], float]] = {}
        self._ended: dict[str, Trial] = {}
        self._scratch: Path | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its arguments and never reads them; the progress callback cannot be pickled."""
        return {}

    def set_scratch(self, scratch: Path) -> None:
        """Set the folder of Ray's session in which Tune keeps files of this search."""
        self._scratch = scratch

    def on_start(self, key: str, params: dict[str, Any]) -> None:
        self._started[key] = (len(self._started) + 1, params, time.monotonic())
        self._report(f"Trial {len(self._started)} of {self._tuning.trials}")

    def on_end(self, key: str, score: float, seconds: float, reason: str) -> None:
        number, params, _ = self._started[key]
        if reason:
            self._ended[key] = Trial(number, params, None, seconds, "failed", reason)
            self._report(f"Trial {number} of {self._tuning.trials}: failed")
        else:
            self._ended[key] = Trial(number, params, score, seconds, "finished")
            self._report(f"Trial {number} of {self._tuning.trials}: {self._metric} {self._format_score(score)}")

    def on_lost(self, key: str) -> None:
        seconds = time.monotonic() - self._started[key][2]
        self.on_end(key, math.inf, seconds, "Its process ended; it may have needed more memory than the machine has.")

    def result(self, default: dict[str, Any]) -> SearchResult:
        stopped = {
            key: Trial(number, params, None, time.monotonic() - started, "stopped")
            for key, (number, params, started) in self._started.items()
            if key not in self._ended
        }
        trials = tuple(sorted((self._ended | stopped).values(), key=lambda trial: trial.number))
        best = self._best()
        if best is not None:
            return SearchResult(best.params, best.score, trials)
        if trials and not stopped:
            reason = trials[0].reason
            raise Invalid(
                f"All {len(trials)} trials of the tuning failed. The first one: {reason}", code="tuning_failed"
            )
        budget = self._tuning.time_budget_s
        note = f"No trial finished within the time budget of {budget:g} s; the defaults were used."
        return SearchResult(default, None, trials, note)

    def clean_up(self, folder: Path) -> None:
        """Remove the files of Tune, here and in the folder of Ray's session."""
        shutil.rmtree(folder, ignore_errors=True)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _best(self) -> Trial | None:
        finished = [trial for trial in self._ended.values() if trial.score is not None]
        return min(finished, key=lambda trial: (trial.score, trial.number), default=None)

    def _report(self, message: str) -> None:
        best = self._best()
        share = len(self._ended) / self._tuning.trials
        if self._tuning.time_budget_s is not None:
            share = max(share, (time.monotonic() - self._started_at) / self._tuning.time_budget_s)
        so_far = "" if best is None or best.score is None else f", best {self._format_score(best.score)}"
        self._progress(min(1.0, share), message + so_far)


def _callback(log: _TrialLog) -> Any:
    from ray.tune import Callback

    class TrialCallback(Callback):
        def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
            if trials:
                log.set_scratch(Path(trials[0].local_experiment_path).parents[1])

        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            log.on_start(trial.trial_id, own_parameters(trial.config))

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            result = trial.last_result
            if result["error"] or math.isfinite(result["score"]):
                log.on_end(trial.trial_id, result["score"], result["seconds"], result["error"])

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            log.on_lost(trial.trial_id)

    return TrialCallback()


@contextmanager
def _silenced(*names: str) -> Iterator[None]:
    """Log only critical errors under these names: the trials themselves have the outcomes."""
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
