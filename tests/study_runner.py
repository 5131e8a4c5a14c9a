"""A runner of cells in a process of its own, which a test may stop or kill."""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hyrec.studies.run.cell import Cell
from hyrec.studies.run.runner import run_cells


def runner_command(cells: Sequence[Cell], **options: Any) -> list[str]:
    """Return the command that runs cells; options as for ``run_cells``."""
    rows = [(c.study, c.variant, c.seed, c.arguments, str(c.folder)) for c in cells]
    return [sys.executable, "-m", "tests.study_runner", json.dumps([rows, options])]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
    rows, options = json.loads(sys.argv[1])
    run_cells([Cell(*row[:3], tuple(row[3]), Path(row[4])) for row in rows], **options)
