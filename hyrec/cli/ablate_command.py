"""``hyrec ablate run | report | sweep``."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from hyrec.cli.arguments import StrictParser
from hyrec.cli.errors import CommandError, listed
from hyrec.schema import suggest

ACTIONS = {
    "run": "train and test every variant of a study with every seed",
    "report": "write the report of a study's folder: Markdown and one HTML page",
    "sweep": "print a W&B sweep that trains the variants of a study",
}
ARRAY_VARIABLE = "SLURM_ARRAY_TASK_ID"

_LISTS = ("--seeds", "--variants")


def run(arguments: list[str]) -> int:
    """Run ``hyrec ablate ...``.

    Args:
        arguments: ``ablate``, the action and its options.
    """
    action = arguments[1] if len(arguments) > 1 else ""
    if action in ("", "-h", "--help"):
        print("usage: hyrec ablate ACTION [options]\n")
        print("\n".join(f"  {name:<8}{text}" for name, text in ACTIONS.items()))
        print("\n  hyrec ablate run pkg:hyrec/ablations/hyformer_table2.yaml --dry-run")
        return 0
    if action not in ACTIONS:
        raise CommandError(
            f"There is no 'hyrec ablate {action}'.{suggest(action, ACTIONS)} {listed(ACTIONS, 'Actions')}"
        )
    parser = StrictParser(prog=f"hyrec ablate {action}", description=ACTIONS[action])
    try:
        return {"run": _run, "report": _report, "sweep": _sweep}[action](parser, arguments[2:])
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def _run(parser: StrictParser, arguments: list[str]) -> int:
    _add_study(parser)
    add = parser.add_argument
    add("--out", help="folder of the study; default: runs/studies/NAME")
    add("--dry-run", action="store_true", help="show what would run, what differs and what it costs; train nothing")
    add("--no-probe", action="store_true", help="with --dry-run: estimate no times, which trains for some seconds")
    add("--json", action="store_true", help="with --dry-run: write JSON")
    add("--jobs", type=int, default=1, help="cells at once; each gets its share of the cores. Default: 1")
    add("--resume", action="store_true", help="go on with the study in the folder; finished cells are kept")
    add("--index", type=int, help="run one cell only, for array jobs; --dry-run shows how many there are")
    add("--array", action="store_true", help=f"the same, with the index that ${ARRAY_VARIABLE} holds")
    add("--wandb", metavar="PROJECT", help="log every cell, and a table of the study, to this W&B project")
    options = parser.read(_spread(arguments))
    if options.jobs < 1:
        raise CommandError(f"--jobs must be at least 1, got {options.jobs}.")
    for name, needed in (("no_probe", "dry_run"), ("json", "dry_run")):
        if getattr(options, name) and not getattr(options, needed):
            raise CommandError(f"--{name.replace('_', '-')} goes with --{needed.replace('_', '-')}.")
    if options.dry_run:
        for name in ("resume", "index", "array", "wandb"):
            value = getattr(options, name)
            if value is not None and value is not False:
                raise CommandError(f"--dry-run shows the whole study and runs nothing: leave --{name} out.")
    index = _index(options)
    from hyrec.cli.ablate_run import dry_run, run_study

    selection = _selection(options)
    if options.dry_run:
        return dry_run(options.study, selection, jobs=options.jobs, probe=not options.no_probe, as_json=options.json)
    return run_study(
        options.study,
        selection,
        folder=Path(options.out) if options.out else None,
        jobs=options.jobs,
        resume=options.resume,
        index=index,
        wandb=options.wandb,
    )


def _report(parser: StrictParser, arguments: list[str]) -> int:
    parser.add_argument("folder", help="folder of a study, as written by 'hyrec ablate run'")
    parser.add_argument("--wandb", metavar="PROJECT", help="also log the table of the study to this W&B project")
    parser.add_argument(
        "--baseline",
        default="",
        metavar="VARIANT",
        help="compare with this variant, into report-VARIANT/ of the folder",
    )
    options = parser.read(arguments)
    from hyrec.cli.ablate_run import report_study

    return report_study(Path(options.folder), baseline=options.baseline, wandb=options.wandb)


def _sweep(parser: StrictParser, arguments: list[str]) -> int:
    _add_study(parser)
    parser.add_argument("--out", help="folder of the study; default: runs/studies/NAME")
    parser.add_argument("--wandb", metavar="PROJECT", default="hyrec", help="W&B project. Default: hyrec")
    options = parser.read(_spread(arguments))
    from hyrec.cli.ablate_run import print_sweep

    folder = Path(options.out) if options.out else None
    return print_sweep(options.study, _selection(options), folder=folder, wandb=options.wandb)


def _add_study(parser: StrictParser) -> None:
    parser.add_argument("study", help="a study's YAML file, or pkg:hyrec/ablations/NAME.yaml")
    parser.add_argument("--seeds", default="", help="these seeds in place of the study's, as 0,1,2")
    parser.add_argument("--variants", default="", help="these variants only, as a,b; the baseline is always there")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the base; a variant's own wins"
    )


def _spread(arguments: Sequence[str]) -> list[str]:
    """Join lists that are written with spaces, ``--seeds 0 1 2``, to one value."""
    joined: list[str] = []
    for argument in arguments:
        previous = joined[-2] if len(joined) > 1 else ""
        if previous in _LISTS and not argument.startswith("-") and not argument.endswith((".yaml", ".yml")):
            joined[-1] += f",{argument}"
        else:
            joined.append(argument)
    return joined


def _selection(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line changes in the study file; empty when nothing."""
    chosen: dict[str, Any] = {}
    if options.seeds:
        parts = [part.strip() for part in options.seeds.split(",")]
        if not all(part.isdigit() for part in parts):
            raise CommandError(f"--seeds needs whole numbers, as in 0,1,2. Got {options.seeds!r}.")
        chosen["seeds"] = [int(part) for part in parts]
    if options.variants:
        # The name of a point holds commas itself: full@d_model=32,length=50.
        chosen["variants"] = [name for name in _names(options.variants) if name]
    for assignment in options.set:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise CommandError(f"--set needs KEY=VALUE, as in model.d_model=32. Got {assignment!r}.")
        with contextlib.suppress(yaml.YAMLError):  # what is no YAML stays text, as with hyrec fit
            value = yaml.safe_load(value)
        chosen.setdefault("set", {})[key.removeprefix("--")] = value
    return chosen


def _names(text: str) -> list[str]:
    names: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if names and "@" in names[-1] and "=" in part and "@" not in part:
            names[-1] += f",{part}"
        else:
            names.append(part)
    return names


def _index(options: argparse.Namespace) -> int | None:
    if not options.array:
        return None if options.index is None else int(options.index)
    if options.index is not None:
        raise CommandError("--index and --array both choose the cell. Use one of them.")
    text = os.environ.get(ARRAY_VARIABLE, "")
    if not text.isdigit():
        raise CommandError(f"--array reads the index of the cell from ${ARRAY_VARIABLE}, which holds {text!r}.")
    return int(text)
