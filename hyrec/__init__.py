"""hyrec: ranking models over long sequences and many features, assembled from parts.

``import hyrec`` is cheap on purpose: the command line starts from here and ``hyrec --help`` must not load
torch. The names below are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hyrec.batch import Batch, Sequence, SequenceInput
    from hyrec.context import BuildContext
    from hyrec.network import Network
    from hyrec.ranker import Ranker
    from hyrec.schema import Schema

_LAZY = {
    "Batch": "hyrec.batch",
    "Sequence": "hyrec.batch",
    "SequenceInput": "hyrec.batch",
    "BuildContext": "hyrec.context",
    "Network": "hyrec.network",
    "Ranker": "hyrec.ranker",
    "Schema": "hyrec.schema",
}

__all__ = [
    "Batch",
    "BuildContext",
    "Network",
    "Ranker",
    "Schema",
    "Sequence",
    "SequenceInput",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'hyrec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
