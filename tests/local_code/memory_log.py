"""A local plugin for tests: what memory a process holds after each step."""

import ctypes
import re
from pathlib import Path

from lightning.pytorch.callbacks import Callback


class _Allocated(ctypes.Structure):
    """What glibc's mallinfo2 returns, in bytes."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


class MemoryLog(Callback):
    """Write a line a step: the step, MiB of anonymous resident memory, and MiB that are allocated.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.mallinfo = ctypes.CDLL(None).mallinfo2
        self.mallinfo.restype = _Allocated

    def on_train_batch_end(self, trainer, *_):
        """Write the line of this step."""
        resident = int(re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
        found = self.mallinfo()
        with self.path.open("a") as file:
            file.write(f"{trainer.global_step} {resident:.1f} {(found.uordblks + found.hblkhd) / 2**20:.1f}\n")
