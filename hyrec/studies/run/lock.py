"""Keeps two processes from running one cell."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
from pathlib import Path

from hyrec.studies.plan.study import StudyError

LOCK_FILE = "cell.lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)


class CellLock:
    """The right to run a cell, held while the file is open in any process that has it.

    The child that runs the cell inherits it. So it stays held when the runner is killed and its child lives on, and is
    free again the moment that both are gone: nothing has to be cleaned up after a crash.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> CellLock | None:
        """Lock a cell; None when somebody else holds it, ``StudyError`` on a file system without locks."""
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            if not isinstance(error, OSError) or error.errno not in _NO_LOCKS:
                raise
            raise StudyError(
                f"The file system of {folder} has no file locks (flock: {error.strerror}), without which two processes "
                "could run one cell. Put the study on another one with --out."
            ) from error
        lock = cls(descriptor)
        lock.sign(os.getpid())
        return lock

    def sign(self, process: int) -> None:
        """Write down which process works on the cell, for the message of those who find it locked."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps({"process": process, "host": platform.node()}).encode(), 0)

    def release(self) -> None:
        """Let go; a child that inherited the lock still holds it."""
        os.close(self.descriptor)


def holder(folder: Path) -> str:
    """Return who holds the lock of a cell, as ``process 7 on node3``."""
    try:
        content = json.loads((folder / LOCK_FILE).read_text(encoding="utf-8"))
        return f"process {content['process']} on {content['host']}"
    except (OSError, ValueError, KeyError, TypeError):  # being written right now
        return "another process"
