"""What a command line or file means, and the objects that it asks for. Nothing here prints or runs."""

import os

# Lightning 2.6 calls jsonargparse functions that are about to change; the warnings help no user.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
