"""NDCG@k by group for hyrec."""

from hyrec_ndcg.callback import GroupNDCG
from hyrec_ndcg.metric import NDCG, grouped_ndcg

__all__ = ["NDCG", "GroupNDCG", "grouped_ndcg"]
__version__ = "0.1.0"
