"""The command, ``coldstart VERB [hydra overrides]``: Hydra composes the settings, the verb does something with them."""

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.logging import RichHandler

from pipeline.commands.budget import BudgetSettings
from pipeline.compose import RESERVED, RunConfig, check_root, conf_dir, read_config, stage_overrides
from pipeline.errors import ColdstartError, nearest

logger = logging.getLogger(__name__)


def main() -> None:
    """Entry point of the console command and of ``python -m pipeline``."""
    arguments = sys.argv[1:]
    verb = "run"
    if arguments and "=" not in arguments[0] and not arguments[0].startswith(("-", "+", "~")):
        verb, arguments = arguments[0], arguments[1:]
    if verb in PLAIN_VERBS:
        if {"-h", "--help"} & set(arguments):
            Console(soft_wrap=True).print(PLAIN_VERBS[verb].__doc__, markup=False, highlight=False)
            return
        PLAIN_VERBS[verb](arguments)
        return
    if verb not in VERBS:
        fail(f"no verb {verb!r}; {nearest(verb, (*VERBS, *PLAIN_VERBS))}")
    chosen = VERBS[verb]
    try:
        check_root(arguments, chosen.words)
    except ColdstartError as error:
        fail(str(error))
    sys.argv = [sys.argv[0], *stage_overrides(arguments)]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is an interruption, not a failure

    @hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=chosen.config)
    def entry(cfg: DictConfig) -> None:
        try:
            chosen.run(cfg)
        except ColdstartError as error:
            fail(str(error))
        except KeyboardInterrupt:
            fail("interrupted; the same command goes on from here", status=130)

    entry()


def fail(message: str, status: int = 2) -> None:
    """Say what is wrong, on standard error, and end."""
    Console(stderr=True, soft_wrap=True).print(f"coldstart: {message}", markup=False, highlight=False)
    raise SystemExit(status)


def run(config: RunConfig) -> None:
    """The recipe: skip what is complete, resume what is half done, run the rest."""
    from pipeline.progress import Display
    from pipeline.runner.ledger import LEDGER
    from pipeline.runner.lock import locked
    from pipeline.runner.run import Run, run_graph

    console = Console(soft_wrap=not sys.stdout.isatty())
    with locked(config.folder), log_to(config.folder / "log.txt", console), wandb_sink(config) as sink:
        (config.folder / "config.yaml").write_text(OmegaConf.to_yaml(config.composed), encoding="utf-8")
        command = Run(
            folder=config.folder,
            graph=config.graph,
            recipe=config.recipe,
            scale=config.scale,
            seed=config.seed,
            threads=config.threads,
            selection=config.selection,
            sink=sink,
            on_change=report_writer(config.folder),
        )
        with Display(console, len(config.graph.stages)) as display:
            ran = run_graph(command, display)
    if not (config.folder / "report.md").exists():
        report_writer(config.folder)(json.loads((config.folder / LEDGER).read_text(encoding="utf-8")))
    if ran:
        console.print(
            f"{len(ran)} stage{'s' * (len(ran) != 1)} ran; see {config.folder}/report.html and ledger.json",
            highlight=False,
        )
    else:
        asked = "every stage that was asked for" if config.selection.is_partial else "every stage"
        console.print(f"nothing to do: {asked} of {config.folder} is complete", highlight=False)


def plan(config: RunConfig) -> None:
    """What is there and what ``run`` would do, and why. Runs nothing."""
    from pipeline.progress import plan_table
    from pipeline.runner.plan import make_plan

    steps = make_plan(config.graph, config.folder, config.selection, config.verify)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(plan_table(steps, str(config.folder)))
    counts = {
        action: sum(step.action == action for step in steps) for action in ("runs", "resumes", "may run", "cached")
    }
    console.print(", ".join(f"{count} {action}" for action, count in counts.items() if count), highlight=False)


def budget(cfg: DictConfig) -> None:
    """Accuracy against the thinking budget, for any checkpoint."""
    from pipeline.commands import budget as command
    from pipeline.progress import one_bar
    from pipeline.runner.execute import quiet_engines

    settings = command.read_settings(cfg)
    quiet_engines()
    console = Console(soft_wrap=not sys.stdout.isatty())
    with one_bar(console, "budget") as progress:
        folders = command.budget(settings, progress)
    command.show(folders, lambda line: console.print(line, markup=False, highlight=False))
    console.print(f"see {folders[0]}/budget.html, budget.md, budget.json and samples.jsonl", highlight=False)


def report(arguments: Sequence[str]) -> None:
    """coldstart report RUN [RUN ...] [out=DIR]: a run's report again, or several runs or budgets side by side."""
    from pipeline.commands import report as command

    folders = [Path(item) for item in arguments if "=" not in item]
    out = "compare"
    for item in arguments:
        key, given, value = item.partition("=")
        if given and key != "out":
            fail(f"{key}: no such setting of report; {nearest(key, ['out'])}")
        out = value if given else out
    try:
        written = command.report(folders, Path(out))
    except ColdstartError as error:
        fail(str(error))
    Console(soft_wrap=True).print(f"see {written}", highlight=False)


def chat(arguments: Sequence[str]) -> None:
    """coldstart chat CHECKPOINT: talk to it, with /think, /no_think, /budget N, /budget off, /clear and /exit."""
    from pipeline.commands import chat as command
    from pipeline.runner.execute import quiet_engines

    if len(arguments) != 1 or "=" in arguments[0]:
        fail("which checkpoint? coldstart chat runs/qwen3-tiny/distill")
    quiet_engines()
    try:
        command.chat(arguments[0])
    except ColdstartError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted", status=130)


@dataclass(frozen=True)
class Verb:
    """``config``: the file of conf/ that Hydra composes; ``words``: what may stand at its root."""

    run: Callable[[DictConfig], None]
    config: str = "config"
    words: frozenset[str] = RESERVED


VERBS: dict[str, Verb] = {
    "run": Verb(lambda cfg: run(read_config(cfg))),
    "plan": Verb(lambda cfg: plan(read_config(cfg))),
    "budget": Verb(budget, "budget", frozenset(field.name for field in fields(BudgetSettings))),
}


# These take folders instead of settings, so nothing is composed.
PLAIN_VERBS: dict[str, Callable[[Sequence[str]], None]] = {"report": report, "chat": chat}


def report_writer(folder: Path) -> Callable[[dict[str, Any]], None]:
    def write(ledger: dict[str, Any]) -> None:
        from pipeline.report.write import write_report

        write_report(folder, ledger)

    return write


@contextmanager
def log_to(path: Path, console: Console) -> Iterator[None]:
    """Everything to ``log.txt``; warnings to the terminal too."""
    root = logging.getLogger()
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    screen = RichHandler(console=console, level=logging.WARNING, show_path=False, show_time=False)
    before, handlers = root.level, list(root.handlers)
    root.handlers = [file, screen]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    except ColdstartError as error:
        logger.error("%s", error)
        raise
    except KeyboardInterrupt:
        logger.info("interrupted")
        raise
    except Exception:
        root.removeHandler(screen)
        logger.exception("the run failed")
        raise
    finally:
        logging.captureWarnings(False)
        file.close()
        root.handlers, root.level = handlers, before


@contextmanager
def wandb_sink(config: RunConfig) -> Iterator[Callable[[Mapping[str, float]], None] | None]:
    """Weights & Biases' ``log`` when a mode is set (``online`` or ``offline``), None and no import otherwise."""
    mode = config.wandb["mode"]
    if mode == "disabled":
        yield None
        return
    import wandb

    with wandb.init(
        project=config.wandb.get("project"),
        name=config.folder.name,
        mode=mode,
        dir=config.folder,
        config=config.composed,
        settings=wandb.Settings(silent=True, console="off"),
    ) as tracked:
        yield tracked.log
