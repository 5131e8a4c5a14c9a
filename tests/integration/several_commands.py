"""Runs several ``hyrec`` commands in one process, since importing torch takes longer than most of them.

``python several_commands.py '{"name": ["plugins", "list"], ...}'`` prints, for every command, a line that starts it,
what it prints, and a line with its exit code.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

from hyrec.cli.main import main

START, END = "===== start ", "===== exit code "


def run(command: list[str]) -> int | str:
    try:
        return main(command)
    except Exception:
        traceback.print_exc()
        return "raised"


if __name__ == "__main__":
    os.dup2(1, 2)  # one stream, so that the order of the lines is kept
    for name, command in json.loads(sys.argv[1]).items():
        print(f"\n{START}{name}", flush=True)
        print(f"\n{END}{run(command)}", flush=True)
