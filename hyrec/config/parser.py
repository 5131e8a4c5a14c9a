"""The options of ``hyrec fit | validate | test | predict``, and a parser that is strict about them."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any, Literal, NoReturn

from jsonargparse import ActionConfigFile, Namespace  # type: ignore[attr-defined]
from jsonargparse.typing import register_type
from lightning import Trainer
from lightning.pytorch.cli import LightningArgumentParser

from hyrec.callbacks.checkpoint import BestCheckpoint
from hyrec.callbacks.ema import EMA
from hyrec.callbacks.plateau import ReduceLROnPlateau
from hyrec.callbacks.table_reset import TableReset
from hyrec.data.base import RankingData
from hyrec.data.parquet import ParquetData
from hyrec.data.simulated import SimulatedData
from hyrec.ensemble import Average
from hyrec.feature import Feature, SchemaError
from hyrec.loggers.wandb import RankingWandbLogger
from hyrec.mappings import build_dataclass
from hyrec.messages import CommandError
from hyrec.ranker import Ranker
from hyrec.schema import Schema

COMMANDS = ("fit", "validate", "test", "predict")
"""What an experiment can be run for: the methods of Lightning's trainer."""
GROUPS: dict[str, type] = {"model": Ranker, "data": RankingData, "trainer": Trainer, "checkpoint": BestCheckpoint}
"""Options that are themselves made of options."""
BUILTIN = (ParquetData, SimulatedData, RankingWandbLogger, EMA, ReduceLROnPlateau, TableReset)
"""Imported so that YAML finds them by their bare names."""

_GIVEN = {"model", "datamodule", "dataloaders", "train_dataloaders", "val_dataloaders"}
_NOISE = re.compile(
    r"Does not validate against any|^Subtypes: |^Errors:|^- Expected a <class 'NoneType'>|^Given value|"
    r"^- Expected a path but|^Problem with given class_path|^Parser key \"(model|data|trainer)\":$"
)


class ParseError(CommandError):
    """What jsonargparse refused, in its own words."""


class HyrecParser(LightningArgumentParser):
    """A parser that raises instead of printing its usage, and knows no abbreviations.

    Args:
        args: As for ``LightningArgumentParser``.
        kwargs: As for ``LightningArgumentParser``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)
        self.method_arguments: list[str] = []

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what was wrong; parsers of nested classes keep jsonargparse's way."""
        if not self.exit_on_error:
            super().error(message, ex)
        raise ParseError(message) from ex

    @property
    def option_names(self) -> list[str]:
        """Top-level options, sorted."""
        every = {action.dest.split(".")[0] for action in self._actions}
        return sorted(every - {"help", "print_config", "print_shtab"})


@functools.cache
def parser_of(command: str) -> HyrecParser:
    """Return the parser of one of the ``COMMANDS``; it is built once, since that takes a second."""
    parser = HyrecParser(prog=f"hyrec {command}", description=_first_line(getattr(Trainer, command)))
    add = parser.add_argument
    add("-c", "--config", action=ActionConfigFile, help="Path to a configuration file in YAML format.")
    add("--seed_everything", type=bool | int, default=0, help="Seed of everything that is random; true draws one.")
    for name in ("trainer", "model", "data"):
        parser.add_lightning_class_args(GROUPS[name], name, subclass_mode=name != "trainer")
    # hyrec inspect shows parameters and FLOPs by component; Lightning's summary knows three modules and no FLOPs.
    parser.set_defaults({"trainer.enable_model_summary": False})
    add("--schema", type=Schema, help="The data: a schema.yaml, pkg:package/file or a mapping.")
    parser.link_arguments("schema", "model.init_args.schema")
    parser.link_arguments("schema", "data.init_args.schema")
    add("--plugins", type=list[str], default=[], help="Local code to load; see --plugin.")
    add("--name", type=str | None, help="Name of the run, for runs/<name>/<time>. Default: that of the first config.")
    add("--test_after_fit", type=bool, default=True, help="Whether fit ends with a test of the best checkpoint.")
    add(
        "--on_nonfinite_loss",
        type=Literal["stop", "skip"],
        default="stop",
        help="Whether a loss that is no finite number ends the run, or its step is left out and counted.",
    )
    add(
        "--warm_start",
        type=str | None,
        help="Checkpoint whose weights fit begins with; ids that 'hyrec data extend' has added since start anew.",
    )
    add("--output", type=str | None, help="Folder of the predictions. Default: predictions in the run's.")
    add(
        "--save_predictions",
        type=bool,
        default=False,
        help="Whether fit and test write the scores of the test rows, as predict does.",
    )
    add("--submission", type=str | None, help="File for ids and scores of predict beside --output: .csv or .json.")
    add(
        "--average",
        type=Average,
        default="probability",
        help="What predict averages of several checkpoints: their probabilities, or their logits.",
    )
    parser.add_lightning_class_args(BestCheckpoint, "checkpoint")
    given = _GIVEN | {"ckpt_path"}
    parser.method_arguments = [*parser.add_method_arguments(Trainer, command, skip=given), "ckpt_path"]
    if "verbose" in parser.method_arguments:
        parser.set_defaults({"verbose": False})  # BaselineTable shows what Lightning's table would
    what = "A checkpoint's file, or best or last with a run's config; for predict several: --ckpt_path a.ckpt b.ckpt."
    add("--ckpt_path", type=list[str] | str | None, help=what)
    return parser


def shortened(message: str) -> str:
    """Return the lines of a jsonargparse message that say something, at most four."""
    lines = [line.strip() for line in message.splitlines()]
    telling = [line.removeprefix("- ") for line in lines if line and not _NOISE.search(line)]
    return "\n".join(list(dict.fromkeys(telling))[:4]) or lines[0]


def _feature(content: Any) -> Feature:
    return build_dataclass(
        Feature, vars(content) if isinstance(content, Namespace) else content, "feature", SchemaError
    )


# A value for the parser, as Path is, not options that are made of options: it goes through the schema many times, and
# would look at every option of every feature each time, for most of the time that parsing takes.
register_type(Feature, serializer=dataclasses.asdict, deserializer=_feature)


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().splitlines()[0]
