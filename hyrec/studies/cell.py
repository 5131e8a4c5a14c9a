"""One cell of a study: a variant trained with a seed, as one run of ``hyrec fit`` in a folder of its own."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from hyrec.studies.study import StudyError

METRICS_FILE = "metrics.csv"
TEST = "test/"
"""What the names of test metrics begin with."""


@dataclass(frozen=True)
class Cell:
    """A variant and a seed.

    Args:
        study: Name of the study.
        variant: Name of the variant.
        seed: Seed of the initial weights, of dropout and of the order of the data.
        arguments: What follows ``hyrec fit``, without seed, folder and name.
        folder: Folder of the run.
        order_option: Option of the data that takes the seed too, so that all variants of a seed see the rows in one
            order. Empty for data that have no such option.
        extra_arguments: What follows ``arguments`` and does not decide the result, such as where it is logged.
    """

    study: str
    variant: str
    seed: int
    arguments: tuple[str, ...]
    folder: Path
    order_option: str = "--data.seed"
    extra_arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the run, as ``study/variant/s0``."""
        return f"{self.study}/{self.variant}/s{self.seed}"

    @property
    def fingerprint(self) -> str:
        """What decides the result: two cells of one fingerprint are the same experiment."""
        content = json.dumps([self.arguments, self.seed, self.order_option])
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    def options(self, checkpoint: Path | None = None) -> tuple[str, ...]:
        """Return all that follows ``hyrec fit``. What ``arguments`` say of bar and order is left as it is.

        Args:
            checkpoint: Where the run continues from.
        """
        # Absolute, since a checkpoint remembers its folder and the next attempt may start somewhere else.
        folder = str(self.folder.resolve())
        settled = {
            "--seed_everything": str(self.seed),
            "--trainer.default_root_dir": folder,
            "--name": self.name,
            "--save_predictions": "true",
        }
        defaults = {"--trainer.enable_progress_bar": "false"}  # a log file keeps every state of a bar
        if self.order_option:
            defaults[self.order_option] = str(self.seed)
        if checkpoint is not None:
            settled["--ckpt_path"] = str(checkpoint.resolve())
        arguments = (*self.arguments, *self.extra_arguments)
        given = {argument.partition("=")[0] for argument in arguments}
        settled |= {name: value for name, value in defaults.items() if name not in given}
        return (*arguments, *(word for pair in settled.items() for word in pair))


def logged_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file that a run logged its metrics to; a last line that a kill has cut is left out.

    Args:
        path: ``metrics.csv`` or one that an earlier attempt left.

    Raises:
        StudyError: When the file cannot be read, or is no table.
    """
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


def logged_test_metrics(folder: Path) -> dict[str, float]:
    """Return the test metrics that the latest attempt has logged, as ``{"auc": 0.7}``; empty when none can be read.

    Args:
        folder: Folder of the run.
    """
    path = folder / METRICS_FILE
    try:
        rows = logged_rows(path) if path.is_file() else []
        return {
            name.removeprefix(TEST): float(text)
            for row in rows
            for name, text in row.items()
            if name.startswith(TEST) and text
        }
    except ValueError:  # a damaged file gives no figures; the report says what is wrong with it
        return {}
