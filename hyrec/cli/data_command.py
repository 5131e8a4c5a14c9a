"""``hyrec data build | simulate | profile``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from hyrec.cli.arguments import StrictParser
from hyrec.cli.configs import find_file, load_mapping
from hyrec.cli.errors import CommandError, listed
from hyrec.schema import build_dataclass, suggest

ACTIONS = {
    "build": "logs to training Parquet and schema.yaml, by a recipe",
    "simulate": "a simulated log whose click probabilities are known",
    "profile": "columns, missing values and list lengths of Parquet files",
}


def run(arguments: list[str]) -> int:
    """Run ``hyrec data ...``.

    Args:
        arguments: ``data``, the action and its options.
    """
    action = arguments[1] if len(arguments) > 1 else ""
    if action in ("", "-h", "--help"):
        print("usage: hyrec data ACTION [options]\n")
        print("\n".join(f"  {name:<10}{text}" for name, text in ACTIONS.items()))
        return 0
    if action not in ACTIONS:
        raise CommandError(f"There is no 'hyrec data {action}'.{suggest(action, ACTIONS)} {listed(ACTIONS, 'Actions')}")
    parser = StrictParser(prog=f"hyrec data {action}", description=ACTIONS[action])
    return {"build": _build, "simulate": _simulate, "profile": _profile}[action](parser, arguments[2:])


def _build(parser: StrictParser, arguments: list[str]) -> int:
    parser.add_argument("--recipe", required=True, help="a recipe's YAML file, or pkg:package/file.yaml")
    parser.add_argument("--input", required=True, help="folder with the files that the recipe names")
    parser.add_argument("--out", required=True, help="folder to write to; its files are replaced")
    options = parser.read(arguments)
    from hyrec.data.build import Recipe, build

    recipe = Recipe.load(find_file(options.recipe, "recipe"))
    source = Path(options.input)
    if not source.is_dir():
        near = [str(p) for p in source.parent.iterdir() if p.is_dir()] if source.parent.is_dir() else []
        raise CommandError(f"There is no folder --input {options.input!r}.{suggest(str(source), near)}")
    report = build(recipe, source, options.out)
    print(report)
    print(f"written   {options.out}: use it with --schema {Path(options.out) / 'schema.yaml'}")
    return 0


def _simulate(parser: StrictParser, arguments: list[str]) -> int:
    from hyrec.data.simulation.files import simulate
    from hyrec.data.simulation.spec import SimulatorSpec

    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--config", help="YAML file with options of the simulator")
    numbers = [f for f in dataclasses.fields(SimulatorSpec) if f.name != "strengths"]
    for field in numbers:
        parser.add_argument(f"--{field.name}", type=type(field.default), help=f"default: {field.default}")
    options = parser.read(arguments)
    given: dict[str, Any] = load_mapping(options.config) if options.config else {}
    chosen = {f.name: getattr(options, f.name) for f in numbers}
    given |= {name: value for name, value in chosen.items() if value is not None}
    report = simulate(build_dataclass(SimulatorSpec, given, "simulator", ValueError), options.out)
    for file, sizes in report["files"].items():
        print(f"{file:<18}" + ", ".join(f"{value:,} {name}" for name, value in sizes.items()))
    for split, figures in report["references"].items():
        best = figures.get("attainable", {})
        print(f"{split:<18}attainable " + ", ".join(f"{name} {value:.4f}" for name, value in best.items()))
    return 0


def _profile(parser: StrictParser, arguments: list[str]) -> int:
    parser.add_argument("files", nargs="+", help="Parquet files")
    parser.add_argument("--rows", type=int, default=100_000, help="rows to read, from the start; 0 reads all")
    options = parser.read(arguments)
    from hyrec.cli.profile import profile

    print(profile([find_file(file, "file") for file in options.files], options.rows))
    return 0
