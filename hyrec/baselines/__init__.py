"""What a model must beat."""

from hyrec.baselines.counting import CountedFeature, CountingBaseline

__all__ = ["CountedFeature", "CountingBaseline"]
