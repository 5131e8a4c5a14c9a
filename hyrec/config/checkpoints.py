"""Which files ``--ckpt_path`` and ``--warm_start`` mean."""

from __future__ import annotations

from pathlib import Path

from hyrec.config.run_folder import find_checkpoint
from hyrec.messages import CommandError, unknown


def settle_checkpoint(given: list[str] | str | None, command: str, saved_run: Path | None) -> list[str] | str | None:
    """Return the path of a checkpoint, or those of several for ``predict``; None where ``fit`` was given none.

    Args:
        given: A path, ``best`` or ``last``, or a list of them.
        command: ``fit``, ``validate``, ``test`` or ``predict``.
        saved_run: Folder of the run whose config was given.

    Raises:
        CommandError: For a file that does not exist, none where one is needed, or several where one is.
    """
    names = [name for name in (given if isinstance(given, list) else [given]) if name]
    if not names:
        if command == "fit":
            return None
        raise CommandError(
            f"hyrec {command} needs a checkpoint: --ckpt_path FILE, or best or last with a run's config:"
            f"\n  hyrec {command} --config runs/NAME/TIME/config.yaml --ckpt_path best"
        )
    paths = [checkpoint_file(name, saved_run) for name in names]
    if len(paths) == 1:
        return paths[0]
    if command != "predict":
        raise CommandError(f"hyrec {command} takes one checkpoint, got {len(paths)}. Only predict averages several.")
    files = [Path(path).resolve() for path in paths]
    if twice := [path for path, file in zip(paths, files, strict=True) if files.count(file) > 1]:
        raise CommandError(f"--ckpt_path names {twice[0]} more than once; it would count more than once.")
    return paths


def checkpoint_file(given: str, saved_run: Path | None) -> str:
    """Return the path of one checkpoint.

    Raises:
        CommandError: For one that does not exist.
    """
    if Path(given).is_file():
        return given
    if given in ("best", "last"):
        if found := find_checkpoint(given, saved_run):
            return str(found)
        where = f"{saved_run / 'checkpoints'} holds none" if saved_run else "no --config comes from a run's folder"
        raise CommandError(f"There is no {given!r} checkpoint: {where}. Write the path of the file.")
    parent = Path(given).parent
    near = [str(p) for p in parent.glob("*.ckpt")] if parent.is_dir() else []
    why = " does not exist"
    raise CommandError(unknown("The checkpoint", given, near, why=why, allowed="In that folder", apart=True))
