"""Decide when a checkpoint is due, how often to evaluate, when to stop early, and which step is the result."""

from __future__ import annotations

import importlib
import math
import shutil
import time
from pathlib import Path  # noqa: TC003  the ejected trainer imports it once
from typing import Any, NamedTuple

from train_input import (  # type: ignore[import-not-found]
    DIGESTS,
    STATE,
    Config,
    step_folder,
)
from train_state import load_weights, source  # type: ignore[import-not-found]

LONGEST_GAP = 300.0
"""Most seconds between two checkpoints that are saved by time."""
SHARE_OF_RUN = 0.1
"""Most of a run, as a share of its time, between two checkpoints that are saved by time."""
TIMES_COST = 20
"""Saving may take one part in this many of the time; saving a large model takes minutes."""
EVAL_SHARE = 0.1
"""Part of a training's time that evaluations may take if `eval_every` is not set."""
MOST_EVALS = 10
"""Evaluations of a run if `eval_every` is not set."""


class SaveClock:
    """Decides after each step whether a checkpoint is due."""

    def __init__(self, every: int) -> None:
        """`every`: save after this many steps; 0: by time, as the constants above say."""
        self.every, self.cost = every, 0.0
        self.began = self.saved_at = time.monotonic()

    def is_due(self, step: int, seconds_left: float) -> bool:
        """Return whether a checkpoint is due after a step of a run that takes `seconds_left` more."""
        if self.every:
            return step % self.every == 0
        now = time.monotonic()
        gap = min(LONGEST_GAP, SHARE_OF_RUN * (now - self.began + seconds_left))
        return now - self.saved_at >= max(gap, TIMES_COST * self.cost)

    def note_saved(self, began: float) -> None:
        """Note that a checkpoint was saved, and that this took the time since `began`."""
        self.saved_at = time.monotonic()
        self.cost = self.saved_at - began


class Best(NamedTuple):
    """The evaluation with the lowest loss."""

    step: int
    loss: float
    later: int
    """Evaluations after it, none of which was better."""


def best_of(log: list[dict[str, Any]]) -> Best | None:
    """Return the best evaluation of a trained model (the one before the first step does not count), or None.

    It depends on the log alone, which checkpoints contain: so a resumed run continues with the same best.
    """
    best: Best | None = None
    for row in log:
        if "eval_loss" not in row or row["step"] == 0:
            continue
        if best is None or row["eval_loss"] < best.loss or math.isnan(best.loss):
            best = Best(row["step"], row["eval_loss"], 0)
        else:
            best = best._replace(later=best.later + 1)
    return best


def eval_interval(config: Config, total: int, trained: int, held: int) -> int:
    """Return the number of steps between two evaluations.

    `trained`: tokens of the whole training; `held`: tokens of an evaluation, which cost a third as much each.
    The interval depends on no clock, so that a repeated run evaluates at the same steps.
    """
    if config.eval_every or not config.best:
        return int(config.eval_every or total)
    count = int(EVAL_SHARE * 3 * trained / max(1, held))
    return -(-total // max(1, min(count, MOST_EVALS)))


def is_enough(config: Config, log: list[dict[str, Any]]) -> bool:
    """Return whether the last `patience` evaluations brought no better one, so that the run ends early."""
    best = best_of(log) if config.patience else None
    return best is not None and best.later >= config.patience


def choose_result(config: Config, log: list[dict[str, Any]], step: int) -> tuple[int, str]:
    """Return the step whose weights are the result, and why, as a sentence; "" if there was no choice."""
    best = best_of(log)
    if best is None:
        return step, ""
    ended = ""
    if config.patience and best.later >= config.patience:
        count = f"{config.patience} evaluations" if config.patience > 1 else "one evaluation"
        ended = f"Ended early after step {step}: {count} brought no better loss. "
    last = next(row["eval_loss"] for row in reversed(log) if "eval_loss" in row)
    before = next((row["eval_loss"] for row in log if row["step"] == 0), None)
    doubt = f"; before the training it was {before:.4g}" if before and before <= best.loss else ""
    if not config.best:
        return step, f"{ended}The result is the last step, as best = false says{doubt}."
    if best.step == step:
        return step, f"{ended}The result is the last step, which has the best held-out loss{doubt}."
    if not (step_folder(config, best.step) / DIGESTS).is_file():
        return (
            step,
            f"{ended}The result is the last step: {step_folder(config, best.step)} is missing.",
        )
    losses = f"{best.loss:.4g}, against {last:.4g} at the end"
    return (
        best.step,
        f"{ended}The result is step {best.step}, with the best held-out loss: {losses}{doubt}.",
    )


def copy_weights(checkpoint: Path, folder: Path) -> None:
    """Copy the model of a checkpoint into a folder, without the state of the run."""
    for path in checkpoint.iterdir():
        if path.is_file() and path.name != DIGESTS and not path.name.startswith(STATE):
            shutil.copyfile(path, folder / path.name)


def restore_weights(model: Any, checkpoint: Path) -> None:
    """Put the weights of a checkpoint into a model that is not sharded."""
    import torch

    load_file = importlib.import_module("safetensors.torch").load_file
    adapter = checkpoint / "adapter_model.safetensors"
    if adapter.is_file():
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, load_file(adapter))
        return
    saved = load_weights(str(checkpoint), next(model.parameters()).dtype, source(str(checkpoint)))
    with torch.no_grad():
        for mine, its in zip(model.parameters(), saved.parameters()):
            mine.copy_(its)
