"""The short run of a time estimate, as a program: ``python -m hyrec.cli.probe RESULT STEPS OPTIONS...``."""

from __future__ import annotations

import json
import sys

from hyrec.cli.errors import guarded


def main(argv: list[str]) -> int:
    """Run a few steps and write what was measured as JSON."""

    def run() -> int:
        from hyrec.files import write_text
        from hyrec.studies.plan.timing_run import short_run

        if (times := short_run(argv[2:], int(argv[1]))) is not None:
            write_text(argv[0], json.dumps(times))
        return 0

    return guarded(run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
