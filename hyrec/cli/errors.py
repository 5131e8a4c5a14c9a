"""Turns a user's mistake, or a failure of the machine, into a few lines instead of a traceback."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType

from hyrec.messages import OTHER_ENDED, CommandError, UnbuildableError, first_raised

MAX_LINES = 5
_WORKER_ERROR = re.compile(r"^Caught \w+ in \w+ worker process")
_FOLDER = "folder with --trainer.default_root_dir, --output or --out"
_REMEDIES = {
    errno.ENOSPC: "The disk is full. Files that were being written are gone, earlier ones are whole.",
    errno.EDQUOT: "The quota is used up. Files that were being written are gone, earlier ones are whole.",
    errno.EFBIG: "Files may not be as large as that: raise the limit with `ulimit -f`.",
    errno.EROFS: f"Choose another {_FOLDER}.",
    errno.EACCES: f"Change its permissions, or choose another {_FOLDER}.",
    errno.EPERM: f"Change its permissions, or choose another {_FOLDER}.",
    errno.EMFILE: "Raise the limit with `ulimit -n`, or lower data.num_workers.",
}
_MEMORY = "Lower data.batch_size, data.num_workers, data.shuffle_memory, or the sizes of model and vocabularies."
_OUTSIDE = {
    r"DataLoader worker .*(killed by signal|exited unexpectedly)[^.]*": (
        f"A data worker died, most often of too little memory. {_MEMORY}"
    ),
    r"unable to \w+( to)? .*(shared memory|file </torch|shm)[^(\n]*|received 0 items of ancdata|Too many open files": (
        "Data workers hand over batches in /dev/shm and by file descriptors, and there are too few. Lower "
        "data.num_workers or data.prefetch, or raise the limit (`ulimit -n`; the size of a container's shm)."
    ),
    r"[Uu]nable to allocate|tried to allocate \d+ bytes|out of memory|Storage size calculation overflowed": (
        f"Too little memory. {_MEMORY}"
    ),
    r"PytorchStreamWriter failed|unexpected pos \d+ vs|file write failed": (
        "A checkpoint could not be written: the disk is full, or gone. Earlier checkpoints are whole."
    ),
    r"Connection (reset|closed) by (remote )?peer|Connection refused|Broken pipe|Timed out waiting|aborted due to": (
        OTHER_ENDED
    ),
}
"""What PyTorch says when the machine fails, and what helps."""


def guarded(command: Callable[[], int]) -> int:
    """Run a command; print a user's mistake in at most five lines and return exit code 2, of a machine's failure 1.

    Other errors, which hyrec did not write itself, keep their traceback, and ``HYREC_DEBUG=1`` keeps all of them.
    """
    try:
        return command()
    except KeyboardInterrupt:
        return _report("Stopped by Ctrl-C.", 128 + signal.SIGINT)
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("HYREC_DEBUG"):
            raise
        if isinstance(error, CommandError):
            return _report(str(error))
        for cause in _causes(error):
            if isinstance(cause, UnbuildableError):
                return _report(f"{cause}\n(HYREC_DEBUG=1 shows where)")
            if isinstance(cause, (ValueError, OSError)) and _written_by_hyrec(cause):
                of_machine = isinstance(cause, OSError) and cause.errno is not None
                return _report(_message(cause), 1 if of_machine else 2)
        if (first := first_raised(error)) is not error and isinstance(first, ValueError):  # a plugin's own message
            return _report(f"{first}\n(HYREC_DEBUG=1 shows where)")
        outside = _outside(error)  # of its causes none: a mistake made while one was handled keeps its traceback
        if outside is None:
            raise
        return _report(outside, 1)


def _report(message: str, code: int = 2) -> int:
    lines = [line.rstrip() for line in message.strip().splitlines() if line.strip()]
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], "(more with HYREC_DEBUG=1)"]
    sys.stdout.flush()
    print("\n".join(["hyrec: " + lines[0], *lines[1:]] if lines else ["hyrec: failed"]), file=sys.stderr)
    return code


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it: the parser wraps what constructors raise."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _outside(error: BaseException) -> str | None:
    """Return what failed in the machine, and what helps; None when the error speaks of nothing that is known."""
    if isinstance(error, OSError) and error.errno is not None:
        names = " and ".join(str(name) for name in (error.filename, error.filename2) if name)
        place = f": {names}" if names else ""
        return f"{error.strerror or error}{place}\n{_REMEDIES.get(error.errno, '')}"
    if isinstance(error, MemoryError):
        return f"Too little memory. {_MEMORY}"
    if isinstance(error, RuntimeError):
        for pattern, remedy in _OUTSIDE.items():
            if found := re.search(pattern, str(error)):
                return f"{remedy}\n({found[0][:200]})"
    return None


def _written_by_hyrec(error: BaseException) -> bool:
    """Whether the line that raised belongs to hyrec, so that its message was written for users."""
    if _WORKER_ERROR.match(str(error)):
        files = re.findall(r'^  File "(.+)", line \d+', str(error), flags=re.MULTILINE)
        return bool(files) and os.sep + "hyrec" + os.sep in files[-1]
    frames: TracebackType | None = error.__traceback__
    module = ""
    for frame, _ in traceback.walk_tb(frames):
        module = str(frame.f_globals.get("__name__", ""))
    return module.split(".")[0].startswith("hyrec")


def _message(error: BaseException) -> str:
    """Return the message; of an error that crossed over from a data worker, its last lines."""
    text = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return _outside(error) or text
    if not _WORKER_ERROR.match(text):
        return text
    tail = re.split(r"^[\w.]+(?:Error|Exception): ", text, flags=re.MULTILINE)[-1]
    return tail.strip()
