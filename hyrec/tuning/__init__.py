"""Searches over options of ``hyrec fit`` on one machine: the sweep files of W&B, without the service.

``sweep.py`` reads the file and ``space.py`` its parameters, ``check.py`` tries the command before the first trial,
``journal.py`` keeps what was tried and asks Optuna what to try next, ``trial.py`` is one run of ``hyrec fit``,
``search.py`` runs them, ``results.py`` tells.
"""

from __future__ import annotations

import importlib.util


class TuneExtraMissingError(ModuleNotFoundError, ValueError):
    """A search was asked for and Optuna is not installed."""


def require_tune_extra() -> None:
    """Raise ``TuneExtraMissingError``, with the command that installs it, when Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise TuneExtraMissingError(
            "Searches need Optuna: pip install 'hyrec[tune]'. The same file runs with W&B: wandb sweep FILE"
        )
