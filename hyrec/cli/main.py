"""The ``hyrec`` command. Only the standard library is imported before it is known what to do."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence

from hyrec import __version__

COMMANDS = {
    "fit": ("hyrec.cli.lightning", "train, then test the best checkpoint"),
    "validate": ("hyrec.cli.lightning", "evaluate a checkpoint on the validation rows"),
    "test": ("hyrec.cli.lightning", "evaluate a checkpoint on the test rows"),
    "predict": ("hyrec.cli.lightning", "write scores as Parquet"),
    "inspect": (
        "hyrec.cli.inspect_command",
        "tokens, parameters, FLOPs and memory of a config; touches no data",
    ),
    "data": ("hyrec.cli.data_command", "build data from logs, simulate it, or profile a file"),
    "ablate": ("hyrec.cli.ablate_command", "run a study: variants over seeds, with intervals, costs and a report"),
    "plugins": ("hyrec.cli.plugins_command", "list installed plugins and components"),
}
"""Module and one-line description of every command. Each module has ``run(arguments) -> exit code``."""

_HELP = """usage: hyrec COMMAND [options]

Ranking models over long sequences and many features, assembled from parts.

commands:
{commands}

  hyrec fit --config pkg:hyrec/hyformer.yaml        train HyFormer on simulated data
  hyrec fit --config pkg:hyrec/hyformer.yaml --help list every option
  hyrec --version
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments. Default: those of the process.

    Returns:
        Exit code: 0, 2 for a mistake on the command line or in a config.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS)) + 2
        lines = (f"  {name:<{width}}{text}" for name, (_, text) in COMMANDS.items())
        print(_HELP.format(commands="\n".join(lines)), end="")
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"hyrec {__version__}")
        return 0
    from hyrec.cli.errors import CommandError, guarded

    def run() -> int:
        name = arguments[0]
        if name not in COMMANDS:
            from hyrec.schema import suggest

            raise CommandError(
                f"There is no command {name!r}.{suggest(name, COMMANDS)} Commands: {', '.join(COMMANDS)}."
            )
        # Lightning 2.6 calls jsonargparse functions that are about to change; the warnings help no user.
        os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
        command: Callable[[list[str]], int] = importlib.import_module(COMMANDS[name][0]).run
        return command(arguments)

    return guarded(run)


if __name__ == "__main__":
    sys.exit(main())
