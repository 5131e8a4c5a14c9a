"""What a model must beat."""

from hyrec.baselines.baseline import Baseline, NotOfferedError
from hyrec.baselines.counting import CountedFeature, CountingBaseline
from hyrec.baselines.din import DIN
from hyrec.baselines.suite import BASELINES

__all__ = ["BASELINES", "DIN", "Baseline", "CountedFeature", "CountingBaseline", "NotOfferedError"]
