"""What a config must never call: each leaves a file behind."""

import tempfile
from pathlib import Path

SPRUNG = Path(tempfile.gettempdir()) / "hyrec-config-executed"


def spring(reason="", **_):
    """Leave a file."""
    SPRUNG.write_text(str(reason))
    return spring


class Spring:
    """Leave a file when it is made."""

    def __init__(self, *_, **__):
        spring("made")
