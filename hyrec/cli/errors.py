"""Turns a user's mistake into a few lines instead of a traceback."""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType

from hyrec.messages import CommandError

MAX_LINES = 5
_WORKER_ERROR = re.compile(r"^Caught \w+ in \w+ worker process")


def guarded(command: Callable[[], int]) -> int:
    """Run a command; print mistakes of the user in at most five lines and return exit code 2.

    Errors that hyrec did not write itself keep their traceback, and ``HYREC_DEBUG=1`` keeps all of them.

    Args:
        command: Returns the exit code.
    """
    try:
        return command()
    except CommandError as error:
        if os.environ.get("HYREC_DEBUG"):
            raise
        return _report(str(error))
    except KeyboardInterrupt:
        return _report("Stopped by Ctrl-C.", 128 + signal.SIGINT)
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        told = next((cause for cause in _causes(error) if _written_by_hyrec(cause)), None)
        if os.environ.get("HYREC_DEBUG") or told is None:
            raise
        return _report(_message(told))


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
    if not _WORKER_ERROR.match(text):
        return text
    tail = re.split(r"^[\w.]+(?:Error|Exception): ", text, flags=re.MULTILINE)[-1]
    return tail.strip()
