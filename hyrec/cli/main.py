"""The ``hyrec`` command. Only the standard library is imported before it is known what to do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hyrec import __version__
from hyrec.cli.arguments import StrictParser
from hyrec.cli.errors import guarded

COMMANDS = {
    "fit": ("hyrec.cli.run_command", "train, then test the best checkpoint"),
    "validate": ("hyrec.cli.run_command", "evaluate a checkpoint on the validation rows"),
    "test": ("hyrec.cli.run_command", "evaluate a checkpoint on the test rows"),
    "predict": ("hyrec.cli.run_command", "write scores as Parquet"),
    "baseline": ("hyrec.cli.baseline_command", "what a model must beat: counting, logistic regression, trees, DIN"),
    "importance": ("hyrec.cli.importance_command", "what a trained model loses without a feature or a sequence"),
    "inspect": ("hyrec.cli.inspect_command", "tokens, parameters, FLOPs and memory of a config; touches no data"),
    "data": (
        "hyrec.cli.data_command",
        "draft a recipe, build data from logs, add new rows to it, import, simulate or profile data",
    ),
    "ablate": ("hyrec.cli.ablate_command", "run a study: variants over seeds, with intervals, costs and a report"),
    "tune": ("hyrec.cli.tune_command", "search over options of fit, with the sweep files of W&B but on this machine"),
    "plugins": ("hyrec.cli.plugins_command", "list installed plugins and components"),
}
"""What fills the parser of every command, and a line of description."""
_EXAMPLES = """\
  hyrec fit --config pkg:hyrec/hyformer.yaml        train HyFormer on simulated data
  hyrec fit --config pkg:hyrec/hyformer.yaml --help list every option
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code, 2 for a mistake on the command line or in a config."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _run(arguments))


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in ("fit", "validate", "test", "predict"):  # an experiment has a parser of its own
        from hyrec.cli.run_command import run

        return run(arguments)
    parser = StrictParser(
        prog="hyrec",
        description="Ranking models over long sequences and many features, assembled from parts.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"hyrec {__version__}")
    parser.actions("command", COMMANDS)
    try:
        options, more = parser.parse_known_args(["--help"] if arguments in ([], ["help"]) else arguments)
    except SystemExit as end:  # of help and version
        return int(end.code or 0)
    if more and not options.takes_more:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    if not hasattr(options, "run"):  # a command that only has actions, and none was named
        return _run([*arguments, "--help"])
    options.more = more
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    sys.exit(main())
