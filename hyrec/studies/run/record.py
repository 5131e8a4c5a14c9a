"""What is known about a cell that has been started, ``cell.json`` in its folder, and how its next attempt begins."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import zipfile
import zlib
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import hyrec
from hyrec.files import write_text
from hyrec.studies.plan.machine import source_commit
from hyrec.studies.plan.plan import argument_changes
from hyrec.studies.plan.study import StudyError, from_plain
from hyrec.studies.run.cell import METRICS_FILE, Cell
from hyrec.studies.run.lock import LOCK_FILE

RECORD_FILE = "cell.json"
LOG_FILE = "log.txt"
_CHECKPOINT = Path("checkpoints") / "last.ckpt"
Status = Literal["finished", "failed", "interrupted"]


@dataclass(frozen=True)
class CellRecord:
    """The state of a cell. While it runs its status is ``interrupted``: that is what it is if nothing follows.

    Args:
        status: ``finished`` with test metrics, ``failed`` on its own, or ``interrupted`` from outside.
        exit_code: Of the latest attempt; negative for the signal that ended it, None while it runs.
        seconds: Wall time of all attempts that led here, in seconds.
        arguments: What followed ``hyrec fit``, without seed, folder and name.
        started: When the latest attempt started, ISO 8601 with time zone.
        ended: When it ended; empty while it runs.
        error: Last lines of the log of an attempt that did not finish.
        folder: Where the cell lay, absolute; its checkpoints hold this path.
        version: Version of hyrec that the latest attempt ran with; empty when that was not written down.
        commit: Commit of the checkout that it ran from; None outside of one.
    """

    study: str
    variant: str
    seed: int
    fingerprint: str
    status: Status = "interrupted"
    exit_code: int | None = None
    seconds: float = 0.0
    attempts: int = 1
    arguments: tuple[str, ...] = ()
    started: str = ""
    ended: str = ""
    error: str = ""
    folder: str = ""
    version: str = ""
    commit: str | None = None

    def save(self, folder: Path) -> None:
        """Write ``cell.json``."""
        write_text(folder / RECORD_FILE, json.dumps(asdict(self), indent=1, ensure_ascii=False))

    @classmethod
    def load(cls, folder: Path) -> CellRecord | None:
        """Read ``cell.json``; None when the cell was never started, ``StudyError`` when it cannot be understood."""
        path = folder / RECORD_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            known = {field.name: content[field.name] for field in fields(cls) if field.name in content}
            record: CellRecord = from_plain(cls, known)
            return record
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StudyError(
                f"{path} cannot be read: {error!r}. Remove its folder to run the cell again; it may be of another "
                "version of hyrec."
            ) from error

    def changes(self, cell: Cell) -> str:
        """Return in one line how a cell differs from what was run, for a message."""
        return argument_changes(*((*of.arguments, f"--seed_everything={of.seed}") for of in (self, cell)))


def begin(cell: Cell) -> tuple[CellRecord, Path | None, str]:
    """Make the folder of a cell ready for its next attempt.

    An interrupted cell continues from ``checkpoints/last.ckpt``. Its ``metrics.csv`` becomes the next free
    ``metrics-<n>.csv``, since the logger deletes a file that it finds; predictions that were being written go. A failed
    cell starts from the beginning, and so does one without a usable checkpoint, or with one of other arguments.

    Returns:
        The record that ``cell.json`` now holds, the checkpoint (None from the beginning), and what the user should know
        about this start (empty for a plain first one).
    """
    folder, before = cell.folder, CellRecord.load(cell.folder)
    reason = _obstacle(cell, before)
    checkpoint, note, seconds = None, f"starts from the beginning: {reason}" if reason else "", 0.0
    if before is None or reason:
        (folder / RECORD_FILE).unlink(missing_ok=True)  # goes first: without it nothing is continued
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in (LOCK_FILE, LOG_FILE):
                path.unlink()
    else:
        checkpoint, note, seconds = folder / _CHECKPOINT, "continues from its last checkpoint", before.seconds
        if not before.ended:  # it could not write its end: the time until its last sign of life counts
            signs = [path.stat().st_mtime for path in (folder / LOG_FILE, checkpoint) if path.exists()]
            started = datetime.fromisoformat(before.started).timestamp()
            seconds += max(0.0, max(signs, default=started) - started)
        _keep_metrics(folder)
        shutil.rmtree(folder / "predictions", ignore_errors=True)
    record = CellRecord(
        *(cell.study, cell.variant, cell.seed, cell.fingerprint),
        seconds=seconds,
        attempts=before.attempts + 1 if before else 1,
        arguments=cell.arguments,
        started=now(),
        folder=str(folder.resolve()),
        version=hyrec.__version__,
        commit=source_commit(),
    )
    record.save(folder)
    return record, checkpoint, note


def now() -> str:
    """Return the time, ISO 8601 with time zone."""
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")


def _obstacle(cell: Cell, record: CellRecord | None) -> str:
    """Return why a cell cannot be continued; empty when it can, or when there is nothing to continue."""
    checkpoint = cell.folder / _CHECKPOINT
    if record is None:
        return "it holds files, but no record of what made them" if checkpoint.exists() else ""
    if record.fingerprint != cell.fingerprint:
        return f"it was begun with other arguments ({record.changes(cell)})"
    if record.status == "failed":
        return "it failed before"
    if not checkpoint.exists():
        return "it was interrupted before its first checkpoint"
    if record.folder != str(cell.folder.resolve()):
        return f"its folder was {record.folder}, which its checkpoint still names"
    try:
        with zipfile.ZipFile(checkpoint) as archive:  # which holds the sums that it was written with
            whole = archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
        whole = False
    return "" if whole else "its last checkpoint is damaged"


def _keep_metrics(folder: Path) -> None:
    path = folder / METRICS_FILE
    if path.is_file():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]  # a kill may have cut the last line
        if whole != content:
            path.write_bytes(whole)
        free = (folder / f"metrics-{number}.csv" for number in itertools.count(1))
        os.replace(path, next(target for target in free if not target.exists()))
