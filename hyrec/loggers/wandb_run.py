"""Starts runs of Weights & Biases that never stop what they log: no questions, no long waits, offline when need be."""

from __future__ import annotations

import importlib.util
import os
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

DEFAULT_PROJECT = "hyrec"
PROBE_SECONDS = 5.0
"""How long the server has for a first answer, in seconds."""
INIT_SECONDS = 15.0
"""How long the server has to start a run, in seconds."""
FINISH_SECONDS = 60.0
"""How long a run that ends waits for what is still to be sent, in seconds. The rest stays on disk."""


class WandbMissingError(ModuleNotFoundError, ValueError):
    """W&B was asked for and is not installed."""


def require_wandb() -> None:
    """Raise ``WandbMissingError``, with the command that installs it, when W&B is not installed."""
    if importlib.util.find_spec("wandb") is None:
        raise WandbMissingError(
            "Weights & Biases is not installed: pip install 'hyrec[wandb]'. Without it a run keeps everything in its "
            "folder (metrics.csv, config.yaml, checkpoints)."
        )


def start_run(
    *,
    mode: str | None = None,
    init_seconds: float = INIT_SECONDS,
    finish_seconds: float = FINISH_SECONDS,
    **arguments: Any,
) -> Any:
    """Start a run of W&B; one that cannot be started online is kept on disk, for a later ``wandb sync``.

    Nobody is asked for a key, and a server that does not answer costs ``PROBE_SECONDS``, or ``init_seconds`` when it
    answers at first.

    Args:
        mode: ``online``, ``offline`` or ``disabled``. Default: ``WANDB_MODE``, or W&B's settings file, or ``online``.
        init_seconds: How long the server has to start the run.
        finish_seconds: How long the end of the run waits for the server.
        arguments: As for ``wandb.init``; those that are None are left out.
    """
    require_wandb()
    # What W&B reports about its own errors would wait for a lost server at the end of every run.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    shared = wandb.setup().settings
    chosen = mode or os.environ.get("WANDB_MODE") or str(shared.mode)
    given = {key: value for key, value in arguments.items() if value is not None}
    if "tags" in given:
        given["tags"] = [str(tag)[:64] for tag in given["tags"]]
    if given.get("dir"):
        os.makedirs(given["dir"], exist_ok=True)
    settings = wandb.Settings(init_timeout=init_seconds, finish_timeout=finish_seconds)
    if chosen not in ("offline", "dryrun", "disabled"):
        problem = unreachable(str(shared.base_url))
        if not problem:
            try:
                with no_questions():
                    return wandb.init(mode="online", settings=settings, **given)
            except Exception as error:  # whatever W&B raises: logging must not decide whether a model is trained
                problem = str(error).splitlines()[0] if str(error) else type(error).__name__
                wandb.teardown(exit_code=0)  # its process holds the run that did not start
        where = os.path.join(given.get("dir") or ".", "wandb")
        warnings.warn(
            f"W&B cannot be reached, so this run is kept in {where} for a later 'wandb sync': {problem}", stacklevel=2
        )
        chosen = "offline"
    kept = cast('Literal["offline", "disabled"]', "offline" if chosen == "dryrun" else chosen)
    return wandb.init(mode=kept, settings=settings, **given)


def unreachable(url: str) -> str:
    """Return why a server does not answer; empty when it does, with whatever status."""
    try:
        urllib.request.urlopen(url, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        # Certificates are W&B's matter: it may know of others than Python does.
        return "" if "CERTIFICATE" in str(reason) else f"{url}: {reason}"
    return ""


@contextmanager
def no_questions() -> Iterator[None]:
    """Let W&B see no terminal, on which it would ask for a key and wait."""
    before = sys.stdin
    with open(os.devnull) as nothing:
        sys.stdin = nothing
        try:
            yield
        finally:
            sys.stdin = before
