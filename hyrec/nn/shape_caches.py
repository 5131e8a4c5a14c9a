"""Limits on what PyTorch's CPU kernels remember of every shape that they have seen.

Batches of histories have another number of events each step. oneDNN (GELU, and all products in bfloat16) keeps what it
has compiled for each of the last 1,024 shapes, and lets them lie among the step's own memory, which then cannot be
used again in one piece: a run grew by gigabytes (SECURITY.md, Memory). 128 shapes are those of a step and more.
"""

from __future__ import annotations

import os

SHAPES = 128
"""Shapes that are remembered. Models of fixed shapes need those of one step, forward and backward."""
_VARIABLES = {
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "DNNL_PRIMITIVE_CACHE_CAPACITY",  # compiled kernels; the second: its older name
    "LRU_CACHE_CAPACITY": "LRU_CACHE_CAPACITY",  # products in bfloat16, with their weights
}


def limit_shape_caches() -> None:
    """Limit the caches, unless the environment does; each is read when its first kernel runs."""
    for name, older in _VARIABLES.items():
        if older not in os.environ:
            os.environ.setdefault(name, str(SHAPES))
