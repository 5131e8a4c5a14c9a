"""A search in a process of its own, which a test may stop or kill."""

import pickle
import signal
import sys
from pathlib import Path
from typing import Any

from hyrec.tuning.search import SearchRun, run_search


def search_command(run: SearchRun, beside: Path, **options: Any) -> list[str]:
    """Return the command that runs a search; options as for ``run_search``. ``beside`` is a file to be told it by."""
    beside.write_bytes(pickle.dumps((run, options)))
    return [sys.executable, "-m", "tests.search_runner", str(beside)]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
    search, keywords = pickle.loads(Path(sys.argv[1]).read_bytes())
    run_search(search, **keywords)
