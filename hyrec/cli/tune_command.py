"""``hyrec tune``: search over options of ``hyrec fit`` on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hyrec.cli.arguments import StrictParser, demand
from hyrec.tuning import require_tune_extra


def configure(parser: StrictParser) -> None:
    """Add the options."""
    parser.description = (
        "Train one model after another with other values of the options that a sweep file of W&B names, and write the "
        "best of them as a config. The values are compared on validation rows; no test row is read."
    )
    parser.epilog = "example: hyrec tune pkg:hyrec/sweeps/hyformer.yaml --trials 30 --jobs 2"
    add = parser.add_argument
    add("sweep", help="a sweep file, as for 'wandb sweep', or pkg:hyrec/sweeps/NAME.yaml")
    add("--trials", type=int, help="how many. Default: run_cap of the file, or 30; of a grid at most its points")
    add("--jobs", type=int, default=1, help="trials at once; each gets its share of the cores. Default: 1")
    add("--out", type=Path, help="folder of the search; default: runs/tuning/NAME")
    add("--resume", action="store_true", help="resume the search in the folder, with more --trials if you like")
    add("--seed", type=int, help="of the values that are drawn. Default: 0")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Search, print what was found and write it."""
    demand(options, trials=1, jobs=1, seed=0)
    require_tune_extra()
    from hyrec.tuning.check import check
    from hyrec.tuning.results import as_text, write_results
    from hyrec.tuning.search import SearchRun, run_search
    from hyrec.tuning.sweep import Sweep

    sweep = Sweep.read(options.sweep)
    if sweep.left_out:
        print(f"Left out, as trials log to metrics.csv: {' '.join(sweep.left_out)}", file=sys.stderr, flush=True)
    search = SearchRun(
        options.sweep, sweep, options.trials, options.jobs, options.out, resume=options.resume, seed=options.seed
    )
    check(sweep)
    try:
        trials = run_search(search)
    except KeyboardInterrupt as interrupt:
        print(f"\nStopped. Go on with\n  {search.command}", file=sys.stderr)
        return int(getattr(interrupt, "exit_code", 130))
    command = write_results(trials, sweep, search.folder)
    if command is None:
        print(f"No trial has a result: {search.folder}/trials/*/log.txt say why.", file=sys.stderr)
        return 1
    print(f"\n{as_text(trials, sweep)}\n\n{search.folder} holds best.yaml and trials.csv. Next:\n  {command}")
    return 0
