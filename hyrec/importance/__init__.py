"""What a trained model loses without a feature, a group of features or a sequence."""

from hyrec.importance.measure import Importance, Kind, permutation_importance

__all__ = ["Importance", "Kind", "permutation_importance"]
