"""``hyrec fit | validate | test | predict``: LightningCLI with strict options, plugins and run folders."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import Any

from lightning import Callback, LightningDataModule, Trainer, seed_everything
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import StrategyRegistry
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from hyrec import plugins
from hyrec.callbacks.checkpoint import BestCheckpoint
from hyrec.callbacks.comparison import Comparison
from hyrec.callbacks.prediction_writer import PredictionWriter
from hyrec.callbacks.progress import RankingProgress
from hyrec.cli.configs import shipped_configs
from hyrec.cli.diagnose import diagnose, refused_option
from hyrec.cli.errors import CommandError, listed
from hyrec.cli.parser import HyrecParser, ParseError, shortened
from hyrec.cli.run_folder import SaveRunConfig, choose_run_folder, find_checkpoint
from hyrec.cli.sources import read_sources
from hyrec.data.base import RankingData
from hyrec.data.parquet import ParquetData
from hyrec.data.simulated import SimulatedData
from hyrec.loggers.wandb import RankingWandbLogger
from hyrec.ranker import Ranker
from hyrec.schema import Schema, suggest

BUILTIN_DATA = (ParquetData, SimulatedData)
BUILTIN_LOGGERS = (RankingWandbLogger,)
"""Imported so that YAML finds them by their bare names."""

_MAX_DIFFERENCES = 4


def run(arguments: list[str]) -> int:
    """Run ``fit``, ``validate``, ``test`` or ``predict``.

    Args:
        arguments: The command and its options.
    """
    warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`, callbacks used")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_no_advertisement)
    HyrecCLI(arguments)
    return 0


class HyrecCLI(LightningCLI):
    """Build data, model and trainer from a command line, and run the command.

    Args:
        args: The command and its options; only options when ``run`` is false.
        run: Whether the first argument is a command to run. Otherwise the objects are only built.

    Raises:
        CommandError: For anything on the command line or in a config that cannot be used.

    Example:
        >>> cli = HyrecCLI(["--config", "pkg:hyrec/debug.yaml"], run=False)  # doctest: +SKIP
    """

    def __init__(self, args: list[str], *, run: bool = True) -> None:
        self.command = args[0] if run else ""
        self.sources = read_sources(args[1:] if run else args)
        self._run_folder: Path | None = None
        super().__init__(
            Ranker,
            RankingData,
            save_config_callback=None,
            seed_everything_default=0,
            parser_class=HyrecParser,
            parser_kwargs={"prog": "hyrec"},
            subclass_mode_model=True,
            subclass_mode_data=True,
            args=[self.command, *self.sources.args] if run else self.sources.args,
            run=run,
            auto_configure_optimizers=False,
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """Return the one command that runs: building the parsers of the others costs a second."""
        known = LightningCLI.subcommands()
        return {self.command: known[self.command]} if self.command else known

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what hyrec knows beyond Lightning's options."""
        parser.add_argument("--schema", type=Schema, help="The data: a schema.yaml, pkg:package/file or a mapping.")
        parser.link_arguments("schema", "model.init_args.schema")
        parser.link_arguments("schema", "data.init_args.schema")
        parser.add_argument("--plugins", type=list[str], default=[], help="Local code to load; see --plugin.")
        parser.add_argument(
            "--name", type=str, default=self.sources.run_name, help="Name of the run, for runs/<name>/<time>."
        )
        parser.add_argument(
            "--test_after_fit",
            type=bool,
            default=True,
            help="Whether fit ends with a test of the best checkpoint.",
        )
        parser.add_argument(
            "--output",
            type=str | None,
            default=None,
            help="Folder of the predictions. Default: predictions in the run's.",
        )
        parser.add_argument(
            "--save_predictions",
            type=bool,
            default=False,
            help="Whether fit and test write the scores of the test rows, as predict does.",
        )
        # hyrec inspect shows parameters and FLOPs by component; Lightning's summary knows three modules and no FLOPs.
        parser.set_defaults({"trainer.enable_model_summary": False})
        parser.add_lightning_class_args(BestCheckpoint, "checkpoint")
        parser.callback_keys.remove("checkpoint")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse; turn what the parser refuses into the nearest right spelling."""
        try:
            self.config = parser.parse_args(args)  # type: ignore[arg-type]
        except ParseError as error:
            raise CommandError(self._explain(str(error))) from error

    def before_instantiate_classes(self) -> None:
        """Keep the config as it was given, then point loggers to the run's folder."""
        options = self._options(self.config)
        self._given_config = options.clone()
        loggers = options.trainer.logger
        for logger in loggers if isinstance(loggers, list) else [loggers]:
            init_args = getattr(logger, "init_args", None)
            if init_args is not None and init_args.get("save_dir", "") in (None, "."):
                init_args["save_dir"] = str(self.run_folder)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with the run's folder, logger and callbacks."""
        options = self._options(self.config_init)
        given = options.trainer.callbacks or []
        callbacks = [*(given if isinstance(given, list) else [given]), *self._callbacks(options)]
        settings: dict[str, Any] = {"default_root_dir": str(self.run_folder), "callbacks": callbacks}
        settings["logger"] = self._loggers(options.trainer.logger)
        try:
            return super().instantiate_trainer(**{**settings, **kwargs})
        except (ValueError, MisconfigurationException) as error:
            raise CommandError(_trainer_mistake(error, options.trainer)) from error

    def _loggers(self, given: Any) -> Any:
        """Return the loggers that were given, and one for ``metrics.csv``, which reports read, unless logging is off.

        Loggers that were given come first: the first one is what components meet as ``self.logger``.
        """
        if given is False or not self._keeps_files or self.command == "predict":  # predict measures nothing
            return False if given in (None, True) else given
        loggers = [] if given in (None, True) else given if isinstance(given, list) else [given]
        if any(isinstance(logger, CSVLogger) for logger in loggers):
            return loggers
        return [*loggers, CSVLogger(str(self.run_folder), name="", version="")]

    @property
    def run_folder(self) -> Path:
        """Folder of this run; made when it is first asked for."""
        if self._run_folder is None:
            given = self._options(self.config).trainer.default_root_dir
            if given or not self._keeps_files:
                self._run_folder = Path(given or ".")
            else:
                name = str(self._options(self.config)["name"])
                self._run_folder = choose_run_folder(self.command, name, self.sources.saved_run)
        return self._run_folder

    def after_fit(self) -> None:
        """Test the best checkpoint, when there are test rows."""
        if not self._options(self.config).test_after_fit or not self._keeps_files:
            return
        if not _has_rows(self.datamodule, "test") or self.trainer.interrupted:
            return
        best = getattr(self.trainer.checkpoint_callback, "best_model_path", "")
        which = best or "the last step (no checkpoint was written)"
        rank_zero_info(f"Testing {which}")
        self.trainer.test(
            self.model,
            datamodule=self.datamodule,
            ckpt_path=best or None,
            weights_only=True if best else None,
        )

    def _options(self, config: Any) -> Any:
        return config[self.command] if self.command else config

    @property
    def _keeps_files(self) -> bool:
        return bool(self.command) and not self._options(self.config).trainer.fast_dev_run

    def _callbacks(self, options: Any) -> list[Callback]:
        callbacks: list[Callback] = []
        if self.command in ("fit", "test"):
            callbacks.append(Comparison())
        if self.command == "fit":
            callbacks.append(RankingProgress())
            if options.trainer.enable_checkpointing is not False and self._keeps_files:
                callbacks.append(options.checkpoint)
        saves = options.save_predictions and self._keeps_files
        if self.command == "predict" or (saves and self.command in ("fit", "test")):
            writer = PredictionWriter(options.output or str(self.run_folder / "predictions"))
            writer.refuse_older()  # here, before the loggers of a new run remove what an older one has logged
            callbacks.append(writer)
        if self._keeps_files:
            callbacks.append(SaveRunConfig(self._parser(self.command), self._given_config))
        return callbacks

    def _set_seed(self) -> None:
        seed = self._get(self.config, "seed_everything")
        if seed is not False:
            options = self._options(self.config)
            options["seed_everything"] = seed_everything(None if seed is True else seed, workers=True, verbose=False)

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs: dict[str, Any] = super()._prepare_subcommand_kwargs(subcommand)
        if kwargs.get("ckpt_path"):
            kwargs["weights_only"] = True if kwargs.get("weights_only") is None else kwargs["weights_only"]
        if subcommand == "predict":
            kwargs["return_predictions"] = False  # PredictionWriter has written them; keeping them costs memory
        return kwargs

    def _parse_ckpt_path(self) -> None:
        if not self.command:
            return
        options = self._options(self.config)
        options["ckpt_path"] = self._checkpoint(options.ckpt_path)
        before = _flat(options.model.init_args)
        super()._parse_ckpt_path()
        after = _flat(self._options(self.config).model.init_args)
        changed = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
        if changed:
            lines = [f"  model.{key}: {before.get(key)!r} -> {after.get(key)!r}" for key in changed[:_MAX_DIFFERENCES]]
            lines += [f"  and {len(changed) - len(lines)} more"] if len(changed) > len(lines) else []
            rank_zero_warn(
                f"The checkpoint {options.ckpt_path} was trained with other options of the model, which are "
                "used in place of those given:\n" + "\n".join(lines)
            )

    def _checkpoint(self, given: str | None) -> str | None:
        """Return the path of the checkpoint that was asked for."""
        if not given:
            if self.command == "fit":
                return None
            raise CommandError(
                f"hyrec {self.command} needs a checkpoint: --ckpt_path FILE, or best or last with a run's config:"
                f"\n  hyrec {self.command} --config runs/NAME/TIME/config.yaml --ckpt_path best"
            )
        if Path(given).is_file():
            return given
        folder = self.sources.saved_run
        if given in ("best", "last"):
            if found := find_checkpoint(given, folder):
                return str(found)
            where = f"{folder / 'checkpoints'} holds none" if folder else "no --config comes from a run's folder"
            raise CommandError(f"There is no {given!r} checkpoint: {where}. Write the path of the file.")
        parent = Path(given).parent
        near = [str(p) for p in parent.glob("*.ckpt")] if parent.is_dir() else []
        raise CommandError(
            f"The checkpoint {given!r} does not exist.{suggest(given, near)}\n{listed(near, 'In that folder')}"
        )

    def _explain(self, message: str) -> str:
        parser = self._parser(self.command or None)
        names = {action.dest.split(".")[0] for action in parser._actions} - {
            "help",
            "print_config",
            "print_shtab",
        }
        types = {"model": Ranker, "data": RankingData, "trainer": Trainer, "checkpoint": BestCheckpoint}
        found = diagnose(self.sources.trees, {name: types.get(name, Any) for name in sorted(names)})
        if found:
            broken = plugins.failures() if "there is no" in found or "cannot be imported" in found else []
            return "\n".join([found, *broken])
        if re.search(r"required.*\bmodel\b|\bmodel\b.*required", message):
            return f"hyrec {self.command} needs a model: add --config FILE.\n" + listed(
                [name for name in shipped_configs() if name.count("/") == 1], "hyrec ships"
            )
        if not any(argument.startswith("--schema=") for argument in self.sources.args):
            return "The data needs a schema: add --schema FILE, or a config of the data that holds one."
        return refused_option(message) or shortened(message)


def _has_rows(data: LightningDataModule | None, split: str) -> bool:
    """Whether a data module has rows of a split; one that cannot say has those its class loads."""
    has = getattr(data, "has", None)
    if has is not None:
        return bool(has(split))
    loader = {"validate": "val_dataloader"}.get(split, f"{split}_dataloader")
    return getattr(type(data), loader, None) is not getattr(LightningDataModule, loader)


def _trainer_mistake(error: Exception, trainer: Any) -> str:
    """Return Lightning's words, and the nearest right name of a device or strategy."""
    text = str(error).splitlines()[0]
    names = {"accelerator": AcceleratorRegistry.available_accelerators() | {"auto", "gpu"}}
    names["strategy"] = {"auto", *StrategyRegistry.available_strategies()}
    for option, known in names.items():
        given = trainer[option]
        if isinstance(given, str) and given not in known:
            return f"trainer.{option} is {given!r}.{suggest(given, known)} {listed(sorted(known), 'Allowed')}"
    return f"trainer: {text}"


def _is_no_advertisement(record: logging.LogRecord) -> bool:
    return "Tip: For seamless cloud" not in record.getMessage()


def _flat(options: Any) -> dict[str, Any]:
    content = {key: value for key, value in options.items() if not key.startswith("schema")}
    return {key: value for key, value in content.items() if value is not None}
