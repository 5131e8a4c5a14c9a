"""An experiment: what a command line or a notebook asks for, and the objects that it means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning import Callback, LightningDataModule, Trainer, seed_everything
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters_context
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from hyrec.callbacks.baseline_table import BaselineTable
from hyrec.callbacks.checkpoint import BestCheckpoint
from hyrec.callbacks.day_by_day import DayByDay
from hyrec.callbacks.log_lines import progress_of
from hyrec.callbacks.prediction_writer import PredictionWriter
from hyrec.callbacks.progress import RankingProgress
from hyrec.callbacks.run_guard import RunGuard
from hyrec.config.checkpoints import checkpoint_file, settle_checkpoint
from hyrec.config.diagnose import merge_options, trainer_mistake
from hyrec.config.parser import COMMANDS, GROUPS, HyrecParser, ParseError, parser_of
from hyrec.config.refusal import refusal
from hyrec.config.run_folder import SaveRunConfig, choose_run_folder, held
from hyrec.config.sources import Sources, read_sources
from hyrec.data.base import RankingData
from hyrec.ensemble import Ensemble, with_weights
from hyrec.messages import CommandError, building, unknown
from hyrec.ranker import Ranker
from hyrec.saved_state import read_checkpoint
from hyrec.trust import UntrustedCodeError, refuse_code
from hyrec.warm_start import refuse_reset, warm_start

_NO_TEXT = "Unable to serialize instance"  # what the parser writes in place of such a value
_INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
_MAX_DIFFERENCES = 4


class Experiment:
    """Options that are settled, and the model, data and trainer that they mean.

    Nothing is built before it is asked for, and every call builds anew. ``hyrec fit`` is ``parse(...).run()``; a
    notebook takes the parts that it needs and trains with a trainer of its own.

    Args:
        command: ``fit``, ``validate``, ``test`` or ``predict``.
        sources: Where the options come from.
        parser: The parser that read them.
        config: What it read.

    Example:
        >>> experiment = Experiment.parse(["--config", "pkg:hyrec/debug.yaml", "--model.d_model", "32"])
        >>> experiment.options["model"]["init_args"]["d_model"]
        32
        >>> experiment.model().network.ctx.num_tokens
        8
    """

    def __init__(self, command: str, sources: Sources, parser: HyrecParser, config: Namespace) -> None:
        self.command, self.sources = command, sources
        self._parser, self._config = parser, config
        self._run_folder: Path | None = None

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Experiment:
        """Read a command line: what follows ``hyrec``; without a command in front, the options of ``fit``.

        Raises:
            CommandError: For anything on the command line or in a config that cannot be used.
        """
        command, *options = arguments if arguments and not arguments[0].startswith("-") else ("fit", *arguments)
        if command not in COMMANDS:
            raise CommandError(unknown("There is no command", command, COMMANDS, allowed="Commands"))
        sources, parser = read_sources(options), parser_of(command)
        _refuse_code(sources)
        try:
            config = parser.parse_args(sources.args)
        except ParseError as error:
            raise CommandError(refusal(str(error), sources, parser)) from error
        config.name = config.name or sources.run_name
        experiment = cls(command, sources, parser, config)
        experiment._take_checkpoint()
        return experiment

    @property
    def options(self) -> dict[str, Any]:
        """Every option, defaults included, as plain mappings; the schema stands once, at the top."""
        content = self._parser.dump(self._config, skip_unset=False, skip_validation=True, format="json")
        plain: dict[str, Any] = _plain(json.loads(content))
        return plain

    @property
    def run_folder(self) -> Path:
        """Folder of this run; made when it is first asked for."""
        if self._run_folder is None:
            given = self._config.trainer.default_root_dir
            if given or not self._keeps_files:
                self._run_folder = Path(given or ".")
            else:
                self._run_folder = choose_run_folder(self.command, self._config.name, self.sources.saved_run)
        return self._run_folder

    def model(self, **changes: Any) -> Ranker:
        """Build the model, after seeding: every call gives the same weights. Its ``network`` is a pure module.

        ``changes`` are other options by name, such as ``d_model=32``.

        Raises:
            ValueError: From a component that cannot be built with these options.
        """
        self.seed()
        config = self._config.model.clone()
        for name, value in changes.items():
            config.init_args[name] = value
        model: Ranker = self._build("model", config)
        return model

    def ensemble(self) -> Ensemble:
        """Load the checkpoints of ``--ckpt_path``, each with the options that it was trained with, as one model.

        Raises:
            CheckpointError: For one that is damaged.
            ValueError: For one of another schema.
        """
        self.seed()
        members = []
        for path in self._config.ckpt_path:
            checkpoint = read_checkpoint(path)
            member = self._build("model", self._trained_with(path, checkpoint).model.clone())
            members.append(with_weights(member, path, checkpoint))
        rank_zero_info(f"Mean {self._config.average} of {len(members)} models: {', '.join(self._config.ckpt_path)}")
        return Ensemble(members, self._config.average)

    def data(self) -> RankingData:
        """Build the data module; it reads no files yet.

        Raises:
            ValueError: For options that exclude one another.
        """
        data: RankingData = self._build("data", self._config.data.clone())
        return data

    def trainer(self, *, callbacks: Sequence[Callback] = (), **changes: Any) -> Trainer:
        """Build the trainer with the callbacks that the command needs; loggers and checkpoints go to the run's folder.

        ``callbacks`` are further ones, ``changes`` other options by name, such as ``max_steps=10``.

        Raises:
            CommandError: For a combination of options that Lightning refuses.
        """
        config = self._config.trainer.clone()
        for name, value in changes.items():
            config[name] = value
        loggers = config.logger
        for logger in loggers if isinstance(loggers, list) else [loggers]:
            init_args = getattr(logger, "init_args", None)
            if init_args is not None and init_args.get("save_dir", "") in (None, "."):
                init_args["save_dir"] = str(self.run_folder)
        refuse_code(Trainer, config, "trainer")
        given = _namespace(trainer=config, checkpoint=self._config.checkpoint.clone(), schema=self._config.schema)
        with building("trainer"):
            parts = self._parser.instantiate(given)
        asked = parts.trainer.callbacks or []
        settings: dict[str, Any] = {**parts.trainer, "default_root_dir": str(self.run_folder)}
        settings["logger"] = self._loggers(parts.trainer.logger)
        every = [*(asked if isinstance(asked, list) else [asked]), *self._callbacks(parts.checkpoint), *callbacks]
        settings["callbacks"] = [*every, *progress_of(every, parts.trainer.enable_progress_bar)]
        try:
            return Trainer(**settings)
        except (ValueError, MisconfigurationException) as error:
            raise CommandError(trainer_mistake(error, self._config.trainer)) from error

    def seed(self) -> None:
        """Seed everything that is random, as ``seed_everything`` says."""
        seed = self._config.seed_everything
        if seed is not False:
            chosen = seed_everything(None if seed is True else seed, workers=True, verbose=False)
            self._config.seed_everything = chosen

    def run(self) -> Trainer:
        """Run the command, and return the trainer that did; ``fit`` ends with a test of the best checkpoint."""
        writes = self.command == "fit" and self._keeps_files
        with held(self.run_folder, self._config.ckpt_path) if writes else nullcontext():
            return self._run()

    def _run(self) -> Trainer:
        data = self.data()
        if isinstance(self._config.ckpt_path, list):
            trainer = self.trainer()
            trainer.predict(self.ensemble(), datamodule=data, **self._method_arguments())
            return trainer
        model = self.model()
        if self.command == "fit" and self._config.warm_start and not self._config.ckpt_path:
            warm_start(model, read_checkpoint(self._config.warm_start))
        trainer = self.trainer()
        if self.command == "fit" and self._config.warm_start:
            refuse_reset(trainer)
        getattr(trainer, self.command)(model, datamodule=data, **self._method_arguments())
        if self.command == "fit":
            self.test_best(trainer, model, data)
        return trainer

    def test_best(self, trainer: Trainer, model: Ranker, data: RankingData) -> None:
        """Test the best checkpoint of a trainer that has fitted, if there are test rows and it was not interrupted."""
        if not self._config.test_after_fit or not self._keeps_files or trainer.interrupted or not _has_test_rows(data):
            return
        best = next((c.best_model_path for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint)), "")
        rank_zero_info(f"Testing {best or 'the last step (no checkpoint was written)'}")
        weights_only = True if best else None
        trainer.test(model, datamodule=data, ckpt_path=best or None, weights_only=weights_only, verbose=False)

    @property
    def _keeps_files(self) -> bool:
        return not self._config.trainer.fast_dev_run

    def _build(self, key: str, config: Namespace) -> Any:
        """Build the model or the data; a checkpoint then holds the options and not the objects."""
        refuse_code(GROUPS[key], config, key)
        hparams = self._hyper_parameters(key, config)
        context = _given_hyperparameters_context(hparams=hparams, instantiator=_INSTANTIATOR)
        with context, building(f"{key}: {hparams['_class_path']}"):
            return self._parser.instantiate(_namespace(schema=self._config.schema, **{key: config}))[key]

    def _hyper_parameters(self, key: str, config: Namespace) -> dict[str, Any]:
        """Return the options of the model or the data as a checkpoint holds them."""
        settings: dict[str, Any] = {"skip_unset": False, "skip_link_targets": False, "skip_validation": True}
        options = _plain(json.loads(self._parser.dump(_namespace(**{key: config}), format="json", **settings)))[key]
        return {"_class_path": options["class_path"], **options.get("init_args", {}), **options.get("dict_kwargs", {})}

    def _method_arguments(self) -> dict[str, Any]:
        arguments = {name: self._config[name] for name in self._parser.method_arguments}
        if arguments.get("ckpt_path") and arguments.get("weights_only") is None:
            arguments["weights_only"] = True
        if self.command == "predict":
            arguments["return_predictions"] = False  # PredictionWriter has written them; keeping them costs memory
            if isinstance(arguments["ckpt_path"], list):
                arguments["ckpt_path"] = None  # the members have loaded theirs
        return arguments

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

    def _callbacks(self, checkpoint: Callback) -> list[Callback]:
        callbacks: list[Callback] = [RunGuard(self._config.on_nonfinite_loss)]
        if self.command != "predict":
            callbacks.append(BaselineTable())
        if self.command == "fit":
            callbacks.append(RankingProgress())
            if self._config.data.init_args.get("by_day"):
                callbacks.append(DayByDay())
            if self._config.trainer.enable_checkpointing is not False and self._keeps_files:
                callbacks.append(checkpoint)
        saves = self._config.save_predictions and self._keeps_files
        if self.command == "predict" or (saves and self.command in ("fit", "test")):
            writer = PredictionWriter(
                self._config.output or str(self.run_folder / "predictions"), self._config.submission
            )
            writer.refuse_older()  # here, before the loggers of a new run remove what an older one has logged
            callbacks.append(writer)
        if self._keeps_files:
            callbacks.append(SaveRunConfig(self.options))
        return callbacks

    def _take_checkpoint(self) -> None:
        """Find the checkpoint that was asked for; the options of its model stand over those given, with a warning."""
        if self._config.submission and self.command != "predict":
            raise CommandError(f"--submission is for hyrec predict; hyrec {self.command} writes none.")
        folder = self.sources.saved_run
        self._config.ckpt_path = path = settle_checkpoint(self._config.ckpt_path, self.command, folder)
        if path is None and self._config.warm_start:
            self._config.warm_start = checkpoint_file(self._config.warm_start, folder)
        if path is None or isinstance(path, list):
            return
        before = _flat(self._config.model.init_args)
        self._config = self._trained_with(path, read_checkpoint(path, resumes=self.command == "fit"))
        after = _flat(self._config.model.init_args)
        changed = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
        if changed:
            lines = [f"  model.{key}: {before.get(key)!r} -> {after.get(key)!r}" for key in changed[:_MAX_DIFFERENCES]]
            lines += [f"  and {len(changed) - len(lines)} more"] if len(changed) > len(lines) else []
            rank_zero_warn(
                f"The checkpoint {path} was trained with other options of the model, which are "
                "used in place of those given:\n" + "\n".join(lines)
            )

    def _trained_with(self, path: str, checkpoint: dict[str, Any]) -> Namespace:
        """Return all options with those of the model that a checkpoint was trained with in place of those given."""
        stored = dict(checkpoint.get("hyper_parameters", {}))
        stored.pop("_instantiator", None)
        if not stored or stored == self._hyper_parameters("model", self._config.model):  # those of its own run, mostly
            return self._config
        model = {"class_path": stored.pop("_class_path"), "dict_kwargs": stored} if "_class_path" in stored else stored
        refuse_code(Ranker, model, f"{path}: model")
        config: Namespace = self._parser.parse_object({"model": model}, self._config)
        return config


def _refuse_code(sources: Sources) -> None:
    """Refuse functions and foreign classes in what was given, before the parser imports them."""
    merged: dict[str, Any] = {}
    source = None
    try:
        for source in sources.trees:
            merge_options(merged, source.tree)
            for key, value in merged.items():
                refuse_code(GROUPS.get(key, Any), value, key)
    except UntrustedCodeError as error:
        where = f"\n(in {source.name})" if source and not source.name.startswith("--") else ""
        raise UntrustedCodeError(f"{error}{where}") from error


def _has_test_rows(data: LightningDataModule) -> bool:
    """Whether a data module has test rows; one that cannot say has those its class loads."""
    has = getattr(data, "has", None)
    if has is not None:
        return bool(has("test"))
    return getattr(type(data), "test_dataloader", None) is not LightningDataModule.test_dataloader


def _plain(options: Any) -> Any:
    """Leave out defaults that no file can hold, such as a device: whoever reads the file gets them anew."""
    if isinstance(options, dict):
        kept = {key: _plain(value) for key, value in options.items()}
        return {key: value for key, value in kept.items() if not str(value).startswith(_NO_TEXT)}
    return [_plain(value) for value in options] if isinstance(options, list) else options


def _namespace(**parts: Any) -> Namespace:
    return Namespace(**parts)  # type: ignore[no-untyped-call]


def _flat(options: Any) -> dict[str, Any]:
    content = {key: value for key, value in options.items() if not key.startswith("schema")}
    return {key: value for key, value in content.items() if value is not None}
