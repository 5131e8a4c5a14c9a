"""The switched-off decoder."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from hyrec.batch import RequestMap, Sequence
from hyrec.context import BuildContext
from hyrec.slots import QueryDecoder


class NoDecode(QueryDecoder):
    """Return the queries unchanged: they know the sequence only through the query generator's pooling.

    Shape:
        queries: ``(B, Q, D)``, returned as they are.
    """

    tags: ClassVar[tuple[str, ...]] = ("ablation",)

    def __init__(self, ctx: BuildContext) -> None:
        super().__init__()

    def forward(self, queries: Tensor, memory: Sequence, request_of: RequestMap | None = None) -> Tensor:
        """Return the queries."""
        return queries
