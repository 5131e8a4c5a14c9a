"""``hyrec data init | build | apply | extend | import | simulate | profile``."""

from __future__ import annotations

import argparse
import dataclasses
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from hyrec.cli.arguments import StrictParser
from hyrec.config.shipped import find_file, load_mapping
from hyrec.files import replaced
from hyrec.mappings import build_dataclass
from hyrec.messages import CommandError, suggest, unknown
from hyrec.plain_text import table

_ROLES = ("user", "item", "time", "label")


def configure(parser: StrictParser) -> None:
    """Add the actions."""
    actions = {
        "init": "a first recipe (or schema) for files of your own, with every guess marked",
        "build": "logs to training Parquet and schema.yaml, by a recipe",
        "apply": "new rows, with the ids of an earlier build, for hyrec predict",
        "extend": "an earlier build, grown by new rows and their ids",
        "import": "a data set in the format of others, such as TAAC-2026",
        "simulate": "a simulated log whose click probabilities are known",
        "profile": "what a data set holds: label rates, missing values, drift, costs and suspected leaks",
    }
    names = {name: f"{name}_" if name == "import" else name for name in actions}  # a word of Python
    parser.actions("action", {name: (f"{__name__}:{names[name]}", text) for name, text in actions.items()})


def init(parser: StrictParser) -> None:
    """Add the options of ``hyrec data init``."""
    parser.add_argument(
        "files", nargs="+", help="CSV or Parquet files, or folders: the log and tables of users and items"
    )
    parser.add_argument("--out", help="file to write (default: recipe.yaml, or schema.yaml)")
    parser.add_argument(
        "--schema", action="store_true", help="the files hold training rows already: draft their schema"
    )
    parser.add_argument(
        "--columns",
        action="append",
        default=[],
        metavar="[FILE=]A,B,C",
        help="names of the columns of CSV files without a header, in their order: of all, or of those of a name "
        "or glob; may be given several times",
    )
    for role in _ROLES:
        more = ", or several: a,b" if role == "label" else ""
        parser.add_argument(f"--{role}", metavar="COLUMN", help=f"column of the {role}{more}, instead of a guess")
    parser.set_defaults(run=_init)


def _init(options: argparse.Namespace) -> int:
    from hyrec.data.drafting.recipe_draft import draft_recipe
    from hyrec.data.drafting.schema_draft import draft_schema

    out = Path(options.out or ("schema.yaml" if options.schema else "recipe.yaml"))
    if out.exists():
        raise CommandError(f"{out} exists already, perhaps with changes of yours: name another file with --out.")
    given = {role: getattr(options, role).split(",") for role in _ROLES if getattr(options, role)}
    if options.schema and options.columns:
        raise CommandError("--columns names columns of CSV files, and --schema is for Parquet: leave one of them out.")
    if options.schema:
        draft = draft_schema(options.files, given)
    else:
        draft = draft_recipe(options.files, given, dict(map(_header, options.columns)))
    with replaced(out) as path:
        path.write_text(draft.text, encoding="utf-8")
    print(table(["what", "found", "why"], [list(row) for row in draft.decisions]))
    print(f"written   {out}: look at the lines with '# CHECK:' ({draft.text.count('# CHECK:')}), and then")
    if options.schema:
        data = f"--data.path {quote(options.files[0])}" if "validate_from" in draft.text else _split_files(draft.files)
        schema = quote(str(out))
        print(f"          hyrec fit --config pkg:hyrec/rankmixer.yaml --schema {schema} --data ParquetData {data}")
        return 0
    recipe, folder = quote(str(out)), quote(str(draft.directory))
    print(f"          hyrec data build --recipe {recipe} --input {folder} --out data")
    print("          hyrec fit --config pkg:hyrec/hyformer.yaml --config pkg:hyrec/data/parquet.yaml")
    return 0


def _header(text: str) -> tuple[str, list[str]]:
    """Return the files that are meant, as a glob, and the names of their columns."""
    files, _, names = text.rpartition("=")
    return files or "*", [name.strip() for name in names.split(",")]


def _split_files(files: list[Path]) -> str:
    """Name the files of each split, where their names say which it is."""
    options = []
    for split, part in (("train", "train"), ("validate", "val"), ("test", "test")):
        named = [quote(str(file)) for file in files if part in file.name]
        options.append(f"--data.{split} {named[0] if len(named) == 1 else '...'}")
    return " ".join(options)


def build(parser: StrictParser) -> None:
    """Add the options of ``hyrec data build``."""
    parser.add_argument(
        "--recipe", required=True, help="a recipe's YAML file, or pkg:package/file.yaml; 'hyrec data init' drafts one"
    )
    parser.add_argument("--input", required=True, help="folder with the files that the recipe names")
    parser.add_argument("--out", required=True, help="folder to write to; its files are replaced")
    _add_layout(parser)
    parser.add_argument(
        "--explain",
        action=_Explain,
        nargs="?",
        metavar="KEY",
        help="print all keys of a recipe, or what one means (log.time_unit, refresh, schema.features), and end",
    )
    parser.set_defaults(run=_build)


class _Explain(argparse.Action):
    """Prints the reference of recipes and ends, as --help does."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        from hyrec.cli.key_reference import explain

        print(explain(values or ""))
        parser.exit()


def _build(options: argparse.Namespace) -> int:
    from hyrec.data.logs import Recipe, build

    recipe = Recipe.load(find_file(options.recipe, "recipe"))
    report = build(recipe, _folder(options.input), options.out, layout=options.layout)
    print(report)
    print(f"written   {options.out}: use it with --schema {quote(str(Path(options.out) / 'schema.yaml'))}")
    return 0


def apply(parser: StrictParser) -> None:
    """Add the options of ``hyrec data apply``."""
    parser.add_argument("--built", required=True, help="folder of a 'hyrec data build'; its ids and recipe are used")
    parser.add_argument(
        "--input",
        required=True,
        help="folder with the new rows, in files as the recipe names them; labels may be missing",
    )
    parser.add_argument("--out", required=True, help="folder to write predict.parquet to; its files are replaced")
    _add_layout(parser)
    parser.set_defaults(run=_apply)


def _apply(options: argparse.Namespace) -> int:
    from hyrec.data.logs import apply

    report = apply(options.built, _folder(options.input), options.out, layout=options.layout)
    print(report)
    written = Path(options.out) / "predict.parquet"
    print(f"written   {written}: score it with a model that was trained on {options.built}:")
    print(
        "          hyrec predict --config runs/NAME/TIME/config.yaml --ckpt_path best "
        f"--data.predict {quote(str(written))}"
    )
    return 0


def extend(parser: StrictParser) -> None:
    """Add the options of ``hyrec data extend``."""
    parser.add_argument("--built", required=True, help="folder of a 'hyrec data build' or 'extend'; its ids stay")
    parser.add_argument(
        "--input", required=True, help="folder with new labelled rows, in files as the recipe names them"
    )
    parser.add_argument("--out", required=True, help="folder to write the grown build to; its files are replaced")
    _add_layout(parser)
    parser.set_defaults(run=_extend)


def _extend(options: argparse.Namespace) -> int:
    from hyrec.data.logs import extend

    print(extend(options.built, _folder(options.input), options.out, layout=options.layout))
    out = Path(options.out)
    print(f"written   {out}: train a model of {options.built} on with")
    print(
        "          hyrec fit --config runs/NAME/TIME/config.yaml --warm_start best "
        f"--schema {quote(str(out / 'schema.yaml'))} --data.train {quote(str(out / 'train.parquet'))}"
    )
    return 0


def _add_layout(parser: StrictParser) -> None:
    parser.add_argument(
        "--layout",
        choices=["flat", "log"],
        default="flat",
        help="flat (default): each row holds its histories as lists; log: events are stored once in events/, and rows "
        "say which of them they see. Both train, score and profile alike",
    )


def import_(parser: StrictParser) -> None:
    """Add the options of ``hyrec data import``."""
    from hyrec.data.importing import known_formats

    told = "; ".join(f"{name}: {known.text}" for name, known in known_formats().items())
    parser.add_argument("format", help=told)
    parser.add_argument("folder", help="folder with the files")
    parser.add_argument(
        "--out", required=True, help="folder to write schema.yaml or recipe.yaml, and data.yaml to; they are replaced"
    )
    parser.set_defaults(run=_import)


def _import(options: argparse.Namespace) -> int:
    from hyrec.data.importing import import_data, known_formats

    if options.format not in (formats := known_formats()):
        raise CommandError(unknown("There is no importer of", options.format, formats, allowed="Formats"))
    out = Path(options.out)
    found, written = import_data(
        options.format, _folder(options.folder, "FOLDER"), out, partial(find_file, what="recipe")
    )
    print(found.report())
    print(f"written   {' and '.join(map(str, written))}: next")
    for command in found.next_commands(out):
        print(f"          {command}")
    return 0


def _folder(name: str, option: str = "--input") -> Path:
    """Return the folder that an option names."""
    source = Path(name)
    if not source.is_dir():
        near = [str(p) for p in source.parent.iterdir() if p.is_dir()] if source.parent.is_dir() else []
        raise CommandError(f"There is no folder {option} {name!r}.{suggest(name, near)}")
    return source


def simulate(parser: StrictParser) -> None:
    """Add the options of ``hyrec data simulate``, one for each number of the simulator."""
    from hyrec.data.simulation.spec import SimulatorSpec

    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--config", help="YAML file with options of the simulator")
    numbers = {f.name: f.default for f in dataclasses.fields(SimulatorSpec) if f.name != "strengths"}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=type(default), help=f"default: {default}")
    parser.set_defaults(run=_simulate, numbers=numbers)


def _simulate(options: argparse.Namespace) -> int:
    from hyrec.data.simulation.files import simulate
    from hyrec.data.simulation.spec import SimulatorSpec

    given: dict[str, Any] = load_mapping(options.config) if options.config else {}
    given |= {name: value for name, value in vars(options).items() if name in options.numbers and value is not None}
    report = simulate(build_dataclass(SimulatorSpec, given, "simulator", ValueError), options.out)
    for file, sizes in report["files"].items():
        print(f"{file:<18}" + ", ".join(f"{value:,} {name}" for name, value in sizes.items()))
    for split, figures in report["references"].items():
        best = figures.get("attainable", {})
        print(f"{split:<18}attainable " + ", ".join(f"{name} {value:.4f}" for name, value in best.items()))
    return 0


def profile(parser: StrictParser) -> None:
    """Add the options of ``hyrec data profile``."""
    add = parser.add_argument
    add("files", nargs="+", help="folder of a built data set, or Parquet or CSV files; names say their splits")
    add("--schema", default="", help="what the files hold. Default: the folder's schema.yaml, else columns alone")
    add("--max_rows", type=int, default=500_000, help="rows to read of each split; 0 reads all. Default: 500000")
    add("--out", default="", help="folder to write profile.json and profile.html to")
    parser.set_defaults(run=_profile)


def _profile(options: argparse.Namespace) -> int:
    from hyrec.cli.profile import as_text
    from hyrec.data.profiling import find_sources, profile
    from hyrec.files import write_text

    if options.max_rows < 0:
        raise CommandError(f"--max_rows must be at least 0 (0 reads all), got {options.max_rows}.")
    found = profile(find_sources(options.files, options.schema), options.max_rows)
    print(as_text(found))
    if not options.out:
        return 0
    written = [write_text(Path(options.out) / "profile.json", found.to_json())]
    from hyrec.studies.report import ReportExtraMissingError, require_report_extra

    try:
        require_report_extra(f"{written[0]} holds all of it.")
    except ReportExtraMissingError as error:
        print(f"Note: {error}")
    else:
        from hyrec.cli.profile_page import page

        written.append(write_text(Path(options.out) / "profile.html", page(found)))
    print(f"written   {' and '.join(map(str, written))}")
    return 0
