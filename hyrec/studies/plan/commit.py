"""Which hyrec this is: version and, in a checkout, the commit with a mark of what was edited since."""

from __future__ import annotations

import subprocess
from pathlib import Path

import hyrec
from hyrec.files import digest

_PLACES = (".", "../configs")
"""What decides a result, from the package's folder."""


def source_commit(package: str | Path | None = None) -> str | None:
    """Return the commit of the checkout that hyrec runs from; None outside of one.

    After edits, ``-dirty-`` and a hash of them follow, so that two edited trees of one commit can be told apart.

    Args:
        package: Folder of the package. Default: that of this hyrec.
    """
    folder = Path(hyrec.__file__).parent if package is None else Path(package)
    try:
        _git(folder, "ls-files", "--error-unmatch", "__init__.py")
        commit = _git(folder, "rev-parse", "HEAD").decode().strip()
        edits = _git(folder, "diff", "HEAD", "--binary", "--", *_PLACES)
        new = _git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", *_PLACES)
        for name in sorted(filter(None, new.split(b"\0"))):
            edits += name + (folder / name.decode()).read_bytes()
    except (OSError, ValueError, subprocess.SubprocessError):  # no git, or not a checkout of hyrec
        return None
    return f"{commit}-dirty-{digest(edits, size=4)}" if edits else commit


def _git(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
