"""Replaces itself by a command that ends when the process that started it is gone. A script, run by its path.

A program of its own: the kernel must be asked from the new process, and Python code between fork and exec is not safe.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Ask the kernel to kill this process when its parent dies, then become the command.

    Args:
        arguments: Process id of the parent, then the command.
    """
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it was gone before the kernel knew
            sys.exit(f"The process {parent} that started this is gone.")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
