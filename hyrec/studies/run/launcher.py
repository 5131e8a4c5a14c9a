"""Replaces itself by a command that ends when the process that started it is gone: ``launcher.py PARENT COMMAND...``.

A program of its own: the kernel must be asked from the new process, and Python code between fork and exec is not safe.
"""

import ctypes
import os
import signal
import sys

if __name__ == "__main__":
    _, parent, *command = sys.argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != int(parent):  # it was gone before the kernel knew
            sys.exit(f"The process {parent} that started this is gone.")
    os.execv(command[0], command)
