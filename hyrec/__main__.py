"""``python -m hyrec`` is the ``hyrec`` command."""

import sys

from hyrec.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
