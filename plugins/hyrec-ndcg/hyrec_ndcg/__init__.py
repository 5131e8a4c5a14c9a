"""NDCG@k by group for hyrec."""

from hyrec_ndcg.metric import NDCG, ndcg_by_group

__all__ = ["NDCG", "ndcg_by_group"]
__version__ = "0.1.0"
