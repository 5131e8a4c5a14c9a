"""Makes a cell's folder ready for the next attempt: continued where it stopped, or from the beginning."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from hyrec.studies.run.cell import METRICS_FILE, Cell
from hyrec.studies.run.lock import LOCK_FILE
from hyrec.studies.run.record import RECORD_FILE, CellRecord

LOG_FILE = "log.txt"
PREDICTIONS = "predictions"
_CHECKPOINT = Path("checkpoints") / "last.ckpt"
_KEPT = {LOCK_FILE, LOG_FILE}


@dataclass(frozen=True)
class Attempt:
    """One start of a cell.

    Args:
        number: 1 for the first.
        checkpoint: Where it continues; None from the beginning.
        seconds_before: Wall time of the attempts that it continues, in seconds.
        note: What the user should know about this start; empty for a plain first one.
    """

    number: int
    checkpoint: Path | None
    seconds_before: float
    note: str


def prepare(cell: Cell) -> Attempt:
    """Make the folder of a cell ready, and say how the cell starts.

    An interrupted cell continues from ``checkpoints/last.ckpt``. Its ``metrics.csv`` becomes the next free
    ``metrics-<n>.csv``, since the logger deletes a file that it finds; predictions that were being written go. A failed
    cell starts from the beginning, and so does one without a usable checkpoint, or with one of other arguments.

    Args:
        cell: A cell whose lock is held.
    """
    folder = cell.folder
    record = CellRecord.load(folder)
    number = record.attempts + 1 if record else 1
    checkpoint = folder / _CHECKPOINT
    reason = _obstacle(cell, record, checkpoint)
    if reason is None:
        assert record is not None
        _keep_metrics(folder)
        shutil.rmtree(folder / PREDICTIONS, ignore_errors=True)
        return Attempt(number, checkpoint, _seconds_so_far(folder, record), "continues from its last checkpoint")
    _clean(folder)
    return Attempt(number, None, 0.0, f"starts from the beginning: {reason}" if reason else "")


def _obstacle(cell: Cell, record: CellRecord | None, checkpoint: Path) -> str | None:
    """Return why a cell cannot be continued; None when it can, empty when there is nothing to continue."""
    if record is None:
        return "it holds files, but no record of what made them" if checkpoint.exists() else ""
    if not record.belongs_to(cell):
        return f"it was begun with other arguments ({record.changes(cell)})"
    if record.status == "failed":
        return "it failed before"
    if not checkpoint.exists():
        return "it was interrupted before its first checkpoint"
    if record.folder != str(cell.folder.resolve()):
        return f"its folder was {record.folder}, which its checkpoint still names"
    if not _is_whole(checkpoint):
        return "its last checkpoint is damaged"
    return None


def _is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint, which is a zip file, is complete and has the sums that it was written with."""
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
        return False


def _keep_metrics(folder: Path) -> None:
    path = folder / METRICS_FILE
    if not path.is_file():
        return
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]  # a kill may have cut the last line
    if whole != content:
        path.write_bytes(whole)
    number = 1
    while (target := folder / f"metrics-{number}.csv").exists():
        number += 1
    os.replace(path, target)


def _clean(folder: Path) -> None:
    """Remove what earlier attempts left, except the log. The record goes first: without it nothing is continued."""
    (folder / RECORD_FILE).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.name in _KEPT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _seconds_so_far(folder: Path, record: CellRecord) -> float:
    """Return the time spent; of an attempt that could not write its end, the time until its last sign of life."""
    if record.ended:
        return record.seconds
    signs = [path.stat().st_mtime for path in (folder / LOG_FILE, folder / _CHECKPOINT) if path.exists()]
    started = datetime.fromisoformat(record.started)
    latest = datetime.fromtimestamp(max(signs, default=started.timestamp()), timezone.utc)
    return record.seconds + max(0.0, (latest - started).total_seconds())
