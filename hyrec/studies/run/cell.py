"""One cell of a study: a variant trained with a seed, as one run of ``hyrec fit`` in a folder of its own."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hyrec.files import digest
from hyrec.studies.plan.plan import Plan
from hyrec.studies.plan.study import StudyError

METRICS_FILE = "metrics.csv"
ROWS_FILE = "rows.parquet"
"""What is known about each test row of a study, in its folder."""
TEST = "test/"
"""What the names of test metrics begin with."""


@dataclass(frozen=True)
class Cell:
    """A variant and a seed.

    Args:
        seed: Seed of the initial weights, of dropout and of the order of the data.
        arguments: What follows ``hyrec fit``, without seed, folder and name.
        order_option: Option of the data that takes the seed too, so that all variants of a seed see the rows in one
            order. Empty for data that have no such option.
        extra_arguments: What follows ``arguments`` and does not decide the result, such as where it is logged.
        environment: Variables on top of those of the runner, which do not decide the result either.
    """

    study: str
    variant: str
    seed: int
    arguments: tuple[str, ...]
    folder: Path
    order_option: str = "--data.seed"
    extra_arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """Name of the run, as ``study/variant/s0``."""
        return f"{self.study}/{self.variant}/s{self.seed}"

    @property
    def fingerprint(self) -> str:
        """What decides the result: two cells of one fingerprint are the same experiment."""
        return digest([self.arguments, self.seed, self.order_option])

    def options(self, checkpoint: Path | None = None) -> tuple[str, ...]:
        """Return all that follows ``hyrec fit``. What ``arguments`` say of bar and order is left as it is."""
        settled = {
            "--seed_everything": str(self.seed),
            # Absolute, since a checkpoint remembers its folder and the next attempt may start somewhere else.
            "--trainer.default_root_dir": str(self.folder.resolve()),
            "--name": self.name,
            "--save_predictions": "true",
        }
        if checkpoint is not None:
            settled["--ckpt_path"] = str(checkpoint.resolve())
        arguments = (*self.arguments, *self.extra_arguments)
        given = {"", *(argument.partition("=")[0] for argument in arguments)}
        # A log file keeps every state of a progress bar.
        defaults = {"--trainer.enable_progress_bar": "false", self.order_option: str(self.seed)}
        settled |= {name: value for name, value in defaults.items() if name not in given}
        return (*arguments, *(word for pair in settled.items() for word in pair))


def cells_of(plan: Plan, folder: str | Path) -> tuple[Cell, ...]:
    """Return the cells of a plan, all variants of the first seed first, so that a half-done study is balanced."""
    return tuple(
        Cell(
            study=plan.study.name,
            variant=planned.variant.name,
            seed=seed,
            arguments=planned.arguments,
            folder=Path(folder) / "cells" / planned.variant.name / f"s{seed}",
            order_option=planned.order_option,
        )
        for seed in plan.study.seeds
        for planned in plan.variants
    )


def logged_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file of metrics, less a last line that a kill has cut; ``StudyError`` for a damaged one."""
    try:
        lines = path.read_bytes().decode("utf-8").splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):
            lines.pop()  # perhaps cut inside of a number
        rows = list(csv.DictReader(lines, restval="", restkey=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"{path} cannot be read: {error}.") from error
    if any("" in row for row in rows):
        raise StudyError(f"{path} is damaged: it holds a line with more values than names.")
    return rows


def read_test_metrics(folder: Path) -> dict[str, float]:
    """Return the latest test metrics of a run by name without ``test/``; ``StudyError`` when none can be read."""
    path = folder / METRICS_FILE
    again = "though its cell finished. Run it again: remove its cell.json."
    if not path.is_file():
        raise StudyError(f"{folder} has no metrics.csv, {again}")
    cells = [cell for row in logged_rows(path) for cell in row.items()]
    found = {name.removeprefix(TEST): number(text, path) for name, text in cells if name.startswith(TEST) and text}
    if not found:
        raise StudyError(f"{path} holds no test metrics, {again}")
    return found


def logged_test_metrics(folder: Path) -> dict[str, float]:
    """Return the same, or nothing when none can be read: the report says what is wrong."""
    try:
        return read_test_metrics(folder)
    except StudyError:
        return {}


def number(text: str, path: Path) -> float:
    """Read a figure of a file of metrics."""
    try:
        return float(text)
    except ValueError:
        raise StudyError(f"{path} holds {text!r} where a number belongs.") from None
