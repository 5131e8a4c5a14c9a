"""``hyrec ablate run | report | sweep``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyrec.cli.arguments import StrictParser, demand
from hyrec.messages import CommandError

if TYPE_CHECKING:
    from hyrec.studies.plan.request import StudyRequest

_ACTIONS = {
    "run": "train and test every variant of a study with every seed",
    "report": "write the report of a study's folder: Markdown and one HTML page",
    "sweep": "print a W&B sweep that trains the variants of a study",
}
_ARRAY_VARIABLE = "SLURM_ARRAY_TASK_ID"


def configure(parser: StrictParser) -> None:
    """Add the actions."""
    parser.epilog = "example: hyrec ablate run pkg:hyrec/ablations/hyformer_table2.yaml --dry-run"
    here = "hyrec.cli.ablate_command:configure_"
    parser.actions("action", {name: (here + name, text) for name, text in _ACTIONS.items()})


def configure_run(parser: StrictParser) -> None:
    """Add the options of ``hyrec ablate run``."""
    _add_study(parser)
    add = parser.add_argument
    add("--dry-run", action="store_true", help="show what would run, what differs and what it costs; train nothing")
    add("--no-probe", action="store_true", help="with --dry-run: estimate no times, which trains for some seconds")
    add("--jobs", type=int, default=1, help="cells at once; each gets its share of the cores. Default: 1")
    add("--resume", action="store_true", help="resume the study in the folder; finished cells are kept")
    add("--index", type=int, help="run one cell only, for array jobs; --dry-run shows how many there are")
    add("--array", action="store_true", help=f"the same, with the index that ${_ARRAY_VARIABLE} holds")
    add("--wandb", metavar="PROJECT", help="log every cell, and a table of the study, to this W&B project")
    parser.set_defaults(run=_stoppable(_run))


def configure_report(parser: StrictParser) -> None:
    """Add the options of ``hyrec ablate report``."""
    add = parser.add_argument
    add("folder", type=Path, help="folder of a study, as written by 'hyrec ablate run'")
    add("--wandb", metavar="PROJECT", help="also log the table of the study to this W&B project")
    told = "compare with this variant, into report-VARIANT/ of the folder"
    add("--baseline", default="", metavar="VARIANT", help=told)
    parser.set_defaults(run=_stoppable(lambda options: _report(options.folder, options.baseline, options.wandb)))


def configure_sweep(parser: StrictParser) -> None:
    """Add the options of ``hyrec ablate sweep``."""
    _add_study(parser)
    parser.add_argument("--wandb", metavar="PROJECT", default="hyrec", help="W&B project. Default: hyrec")
    parser.set_defaults(run=_stoppable(_sweep))


def _add_study(parser: StrictParser) -> None:
    add = parser.add_argument
    add("study", help="a study's YAML file, or pkg:hyrec/ablations/NAME.yaml")
    add("--seeds", default="", help="these seeds in place of the study's, as 0,1,2")
    add("--variants", default="", help="these variants only, as a,b; the baseline is always there")
    parser.lists = ("--seeds", "--variants")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the base; a variant's own wins")
    add("--out", type=Path, help="folder of the study; default: runs/studies/NAME")


def _stoppable(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Return a command that Ctrl-C ends without a traceback."""

    def run(options: argparse.Namespace) -> int:
        try:
            return command(options)
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            return 130

    return run


def _run(options: argparse.Namespace) -> int:
    demand(options, jobs=1)
    if options.no_probe and not options.dry_run:
        raise CommandError("--no-probe goes with --dry-run.")
    if not options.dry_run:
        return _train(options)
    for name in ("resume", "index", "array", "wandb"):
        value = getattr(options, name)
        if value is not None and value is not False:  # an index of 0 counts
            raise CommandError(f"--dry-run shows the whole study and runs nothing: leave --{name} out.")
    from hyrec.studies.plan.planner import make_plan
    from hyrec.studies.plan.timing import timed
    from hyrec.studies.report.tables import plan_as_text

    jobs, plan = options.jobs, make_plan(_request(options))
    if not options.no_probe:
        plan = timed(plan, jobs, report=lambda line: print(line, file=sys.stderr, flush=True))
    print(plan_as_text(plan, jobs=jobs))
    return 0


def _train(options: argparse.Namespace) -> int:
    index, request = _index(options), _request(options)
    from hyrec.studies.run.runner import StudyInterrupted
    from hyrec.studies.run.study import StudyRun, run_study

    run = StudyRun(request, options.out, options.jobs, options.resume, index, options.wandb)
    if index is None:
        from hyrec.studies.report import ReportExtraMissingError, require_report_extra

        try:  # said before hours of training; the study itself needs none of it
            require_report_extra()
        except ReportExtraMissingError as error:
            print(f"Note: {error}", file=sys.stderr)
    try:
        _, outcomes = run_study(run)
        if index is None:
            _report(run.folder, wandb=options.wandb)
    except KeyboardInterrupt as interrupt:
        print(f"\nStopped. Go on with\n  {run.command}", file=sys.stderr)
        return interrupt.exit_code if isinstance(interrupt, StudyInterrupted) else 130
    broken = sum(outcome.status in ("failed", "interrupted") for outcome in outcomes)
    if broken:
        told = f"{broken} of {len(outcomes)} cells have no result. Try them again with"
        print(f"{told}\n  {run.command}", file=sys.stderr)
    return min(broken, 1)


def _report(folder: Path, baseline: str = "", wandb: str | None = None) -> int:
    """Print the comparison of a study and write its report."""
    from hyrec.studies.report import ReportExtraMissingError, write_report
    from hyrec.studies.report.findings import Findings
    from hyrec.studies.report.tables import comparison_as_text

    findings = Findings.read(folder, baseline)
    if not findings.results.cells:
        print(f"No cell of {folder} has finished yet: there is nothing to report.")
        return 0
    print(comparison_as_text(findings))
    code = 0
    try:
        print(f"Report: {write_report(folder, baseline, findings)}")
    except ReportExtraMissingError as error:
        print(error, file=sys.stderr)
        code = 1
    if wandb:
        from hyrec.studies.report.wandb import log_study

        log_study(findings, wandb)
    return code


def _sweep(options: argparse.Namespace) -> int:
    import yaml

    from hyrec.studies.plan.planner import make_plan
    from hyrec.studies.run.study import StudyRun
    from hyrec.studies.run.wandb import sweep_of

    request = _request(options)
    make_plan(request)  # a study that cannot be run makes no sweep
    sweep = sweep_of(request, StudyRun(request, options.out).folder, options.wandb)
    print(yaml.safe_dump(sweep, sort_keys=False), end="")
    return 0


def _request(options: argparse.Namespace) -> StudyRequest:
    """Return the study, and what the command line changes in its file."""
    from hyrec.files import plain_value

    chosen: dict[str, Any] = {}
    if options.seeds:
        parts = [part.strip() for part in options.seeds.split(",")]
        if not all(part.isdigit() for part in parts):
            raise CommandError(f"--seeds needs whole numbers, as in 0,1,2. Got {options.seeds!r}.")
        chosen["seeds"] = [int(part) for part in parts]
    for part in (part.strip() for part in options.variants.split(",") if part.strip()):
        names = chosen.setdefault("variants", [])
        if names and "@" in names[-1] and "=" in part and "@" not in part:
            names[-1] += f",{part}"  # the name of a point holds commas itself: full@d_model=32,length=50
        else:
            names.append(part)
    for assignment in options.set:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise CommandError(f"--set needs KEY=VALUE, as in model.d_model=32. Got {assignment!r}.")
        chosen.setdefault("set", {})[key.removeprefix("--")] = plain_value(value)  # as with hyrec fit
    from hyrec.studies.plan.request import StudyRequest

    return StudyRequest.read(options.study, chosen)


def _index(options: argparse.Namespace) -> int | None:
    if not options.array:
        index: int | None = options.index
        return index
    if options.index is not None:
        raise CommandError("--index and --array both choose the cell. Use one of them.")
    text = os.environ.get(_ARRAY_VARIABLE, "")
    if not text.isdigit():
        raise CommandError(f"--array reads the index of the cell from ${_ARRAY_VARIABLE}, which holds {text!r}.")
    return int(text)
