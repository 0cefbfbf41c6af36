"""Checkpoints inside a stage that can be trusted.

Transformers writes a checkpoint file by file, takes the highest number for the newest, and resumes in silence with a
fresh optimizer when that file is missing. So each finished checkpoint gets a mark that lists its files, and only one
whose files are all there, with their sizes, is resumed from; else the one before it.
"""

import json
import logging
import shutil
from pathlib import Path

from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pipeline.tracking import Tracker

MARK = "complete.json"
logger = logging.getLogger(__name__)


class MarkCheckpoints(TrainerCallback):
    """Marks each checkpoint after Transformers has written all of it, and wants none where the training ends.

    A stage that is killed between its last step and its seal would resume from such a checkpoint, and train on: that
    the end was reached is not in it. From the one before, it does the last steps again and ends where it ended. It must
    be the last callback, after those that end the training.
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if control.should_training_stop:
            control.should_save = False

    on_log = on_step_end  # some ends are seen in the log, which is written before the checkpoint

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        if state.is_world_process_zero:
            assert args.output_dir is not None
            mark_checkpoint(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def mark_checkpoint(folder: Path) -> None:
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    sizes.pop(MARK, None)
    partial = folder / (MARK + ".partial")
    partial.write_text(json.dumps(sizes))
    partial.replace(folder / MARK)


def is_intact(folder: Path) -> bool:
    try:
        sizes = json.loads((folder / MARK).read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, json.JSONDecodeError):
        return False


def newest_checkpoint(trainer_folder: Path) -> Path | None:
    """The newest intact checkpoint; damaged ones are removed, and said so. None when there is none."""
    found = sorted(trainer_folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for folder in found:
        if is_intact(folder):
            return folder
        logger.warning("checkpoint %s is not complete; it is removed and the one before it is used", folder.name)
        shutil.rmtree(folder)
    return None


def train(trainer: Trainer, tracker: Tracker) -> None:
    """Train from the stage's newest intact checkpoint, or from the start; quietly, as the tracker does the telling."""
    assert trainer.args.output_dir is not None
    checkpoint = newest_checkpoint(Path(trainer.args.output_dir))
    tracker.rewind(int(checkpoint.name.split("-")[1]) if checkpoint else 0)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(MarkCheckpoints())
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
