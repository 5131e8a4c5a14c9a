"""Builds the data set of a MovieLens edition: ``python -m hyrec_movielens --path ml-1m.zip --out data/ml-1m``."""

from __future__ import annotations

import argparse
import sys

from hyrec.data.parquet.policy import DataError
from hyrec_movielens.archive import find_archive
from hyrec_movielens.dataset import build_movielens


def main(argv: list[str] | None = None) -> int:
    """Write Parquet files and the schema, and print what was built."""
    parser = argparse.ArgumentParser(prog="python -m hyrec_movielens", description=__doc__, allow_abbrev=False)
    parser.add_argument("--path", default="", help="zip file, wheel or folder (default: the installed recbole)")
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--validate", type=float, default=0.1, help="share of the ratings that validate (default 0.1)")
    parser.add_argument("--test", type=float, default=0.1, help="share of the ratings that test (default 0.1)")
    options = parser.parse_args(argv)
    try:
        print(build_movielens(find_archive(options.path), options.out, validate=options.validate, test=options.test))
    except DataError as error:
        print(f"hyrec_movielens: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
