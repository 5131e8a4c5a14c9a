"""``hyrec fit | validate | test | predict``."""

from __future__ import annotations

import logging
import warnings

from hyrec.config.experiment import Experiment


def run(arguments: list[str]) -> int:
    """Run an experiment.

    Args:
        arguments: The command and its options.
    """
    warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`, callbacks used")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_no_advertisement)
    Experiment.parse(arguments).run()
    return 0


def _is_no_advertisement(record: logging.LogRecord) -> bool:
    return "Tip: For seamless cloud" not in record.getMessage()
