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
    from hyrec.config.experiment import Experiment
    from hyrec.context import BuildContext
    from hyrec.data.tables import table_batches, table_data
    from hyrec.network import Network
    from hyrec.ranker import Ranker
    from hyrec.schema import Schema
    from hyrec.scoring import encode_requests, score, score_candidates

_LAZY = {
    "Batch": "hyrec.batch",
    "BuildContext": "hyrec.context",
    "Experiment": "hyrec.config.experiment",
    "Network": "hyrec.network",
    "Ranker": "hyrec.ranker",
    "Schema": "hyrec.schema",
    "Sequence": "hyrec.batch",
    "SequenceInput": "hyrec.batch",
    "encode_requests": "hyrec.scoring",
    "score": "hyrec.scoring",
    "score_candidates": "hyrec.scoring",
    "table_batches": "hyrec.data.tables",
    "table_data": "hyrec.data.tables",
}

__all__ = [
    "Batch",
    "BuildContext",
    "Experiment",
    "Network",
    "Ranker",
    "Schema",
    "Sequence",
    "SequenceInput",
    "__version__",
    "encode_requests",
    "score",
    "score_candidates",
    "table_batches",
    "table_data",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'hyrec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
