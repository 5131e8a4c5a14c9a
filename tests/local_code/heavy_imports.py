"""Runs a command and prints which heavy packages it has imported."""

import sys

from hyrec.cli.main import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    heavy = sorted({"torch", "lightning", "pyarrow", "polars", "jsonargparse"} & set(sys.modules))
    print("HEAVY", heavy)
    sys.exit(code)
