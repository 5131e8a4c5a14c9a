"""Imports what it is told to and prints every module that is loaded then."""

import importlib
import sys

if __name__ == "__main__":
    for name in sys.argv[1:]:
        importlib.import_module(name)
    print(*sys.modules)
