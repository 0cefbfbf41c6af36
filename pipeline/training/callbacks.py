"""Callbacks that tie a Transformers or TRL trainer to Coldstart: the tracker, and the ends that gates decide."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pipeline.errors import ColdstartError
from pipeline.tracking import Tracker
from pipeline.training.schedules import HoldThenDecay, Rounds

Metrics = dict[str, float]
Gate = Callable[[], Metrics]
"""Measures the model on held-out problems; the keys are what a gate's thresholds name."""


def passes(metrics: Mapping[str, float], thresholds: Mapping[str, float]) -> bool:
    """Whether every threshold is reached. Raises ColdstartError for a threshold that names no figure."""
    for name in thresholds:
        if name not in metrics:
            raise ColdstartError(f"gate: no figure {name!r} is measured here; measured: {', '.join(sorted(metrics))}")
    return all(metrics[name] >= threshold for name, threshold in thresholds.items())


class TrackerCallback(TrainerCallback):
    """Feeds a trainer's logs and progress to the tracker, and stops on a loss that is not a number."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: object,
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            raise ColdstartError(
                f"stage {self.tracker.stage}: the loss is {loss} at step {state.global_step}; "
                f"lower stages.{self.tracker.stage}.learning_rate, or look for a damaged row in its data"
            )
        if state.is_world_process_zero and logs and "train_runtime" not in logs:
            self.tracker.log(state.global_step, logs)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self.tracker.progress(state.global_step, state.max_steps)


class HoldUntilGate(TrainerCallback):
    """Constant rate until the gate is passed, then the schedule's decay, then the end. For training from scratch.

    A cap that is hit starts the decay too, so that the model is still usable. ``stalled`` says that the training was
    given up: after ``patience`` steps every figure of the gate was still below ``hopeless`` of its threshold.
    """

    def __init__(
        self,
        gate: Gate,
        thresholds: Mapping[str, float],
        every: int,
        schedule: HoldThenDecay,
        tracker: Tracker,
        patience: int | None = None,
        hopeless: float = 0.5,
    ) -> None:
        self.gate, self.thresholds, self.every = gate, thresholds, every
        self.schedule, self.tracker = schedule, tracker
        self.patience, self.hopeless, self.stalled = patience, hopeless, False

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        step, end = state.global_step, self.schedule.end
        if end is None and step % self.every == 0:
            metrics = self.gate()
            self.tracker.log(step, {f"gate/{key}": value for key, value in metrics.items()})
            # The cap: what is left of the steps is just enough for the decay.
            if passes(metrics, self.thresholds) or step + self.schedule.decay_steps >= state.max_steps:
                self.schedule.decay_from = step
            elif self.patience is not None and step >= self.patience:
                self.stalled = all(metrics[name] < self.hopeless * low for name, low in self.thresholds.items())
                control.should_training_stop = self.stalled
        if end is not None and step >= end:
            control.should_training_stop = True


class StopAtGate(TrainerCallback):
    """Measures the gate after each round of epochs and ends the training when it is passed. For SFT."""

    def __init__(self, gate: Gate, thresholds: Mapping[str, float], rounds: Rounds, tracker: Tracker) -> None:
        self.gate, self.thresholds, self.rounds, self.tracker = gate, thresholds, rounds, tracker

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if state.global_step in self.rounds.ends:
            metrics = self.gate()
            self.tracker.log(state.global_step, {f"gate/{key}": value for key, value in metrics.items()})
            if passes(metrics, self.thresholds):
                control.should_training_stop = True


class StopAtReward(TrainerCallback):
    """Ends RL when the means of its own rewards over the last ``window`` steps reach the thresholds.

    It reads the trainer's log, which a checkpoint carries, so a resumed run stops where an uninterrupted one does.
    """

    def __init__(self, thresholds: Mapping[str, float], window: int) -> None:
        self.thresholds, self.window = thresholds, window

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        control.should_log = True

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        keys = {f"rewards/{name}/mean": threshold for name, threshold in self.thresholds.items()}
        rows = [row for row in state.log_history if "reward" in row][-self.window :]
        if rows and (missing := [key for key in keys if key not in rows[-1]]):
            raise ColdstartError(f"stop_at: no reward {missing[0].split('/')[1]!r} in this stage")
        if len(rows) == self.window and all(
            sum(row[key] or 0.0 for row in rows) / self.window >= threshold for key, threshold in keys.items()
        ):
            control.should_training_stop = True
