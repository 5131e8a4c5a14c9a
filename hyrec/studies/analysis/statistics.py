"""What paired runs say: intervals over training runs, and p values corrected for the number of variants.

An interval over seeds generalises over **training runs**: it says what to expect of another seed on these very test
rows. What another sample of test rows would show is a question for ``hyrec.studies.analysis.bootstrap``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
"""Share of intervals that hold the truth."""
ONE_RUN = "one training run has no spread: an interval needs at least two seeds"
_EQUAL = 1e-12


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval; bounds are NaN where nothing is known about them.

    Args:
        p: Two-sided p value of "the truth is 0"; NaN where it was not tested.
        count: What the interval was made of: training runs, or groups of test rows.
        note: Why there are no bounds, or what to keep in mind.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    count: int = 0
    note: str = ""

    @property
    def known(self) -> bool:
        """Whether there are bounds."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def holds_zero(self) -> bool:
        """Whether 0 lies inside; without bounds nothing is excluded."""
        return not self.known or self.low <= 0 <= self.high


def paired_t(differences: Sequence[float]) -> Interval:
    """Return mean, interval and p value of paired differences, by Student's t.

    One difference a seed: variant minus baseline, both trained with that seed. The interval is
    ``mean ± t · sd / sqrt(n)`` with n − 1 degrees of freedom, and assumes that the differences of training runs are
    roughly normal. It also serves for the mean of one variant's values.

    Raises:
        ValueError: For no difference at all, or one that is not finite.

    Example:
        >>> interval = paired_t([0.001, 0.002, 0.003])
        >>> f"{interval.mean:.4f} [{interval.low:.4f}, {interval.high:.4f}] p={interval.p:.3f}"
        '0.0020 [-0.0005, 0.0045] p=0.074'
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"paired_t needs one difference a seed, at least one; got an array of shape {values.shape}.")
    if not np.isfinite(values).all():
        raise ValueError(f"paired_t needs finite differences, got {values.tolist()}.")
    n, mean = len(values), float(values.mean())
    if n < 2:
        return Interval(mean, count=n, note=ONE_RUN)
    if float(np.ptp(values)) <= _EQUAL * float(np.abs(values).max()):
        if mean == 0:
            return Interval(0.0, 0.0, 0.0, 1.0, n, "every seed gives the very same figures")
        note = "every seed gives the same difference: the runs have no spread to judge it by"
        return Interval(mean, count=n, note=note)
    from scipy.stats import ttest_1samp  # here, for it takes a second to import

    test = ttest_1samp(values, 0.0)
    low, high = test.confidence_interval(LEVEL)
    return Interval(mean, float(low), float(high), float(test.pvalue), n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values of several comparisons, so that all together err at most at the nominal rate.

    Holm's step-down procedure: the k-th smallest of m is multiplied by m − k + 1, and never falls below a smaller
    one's. Holds whatever the dependence between the comparisons, such as one baseline for all of them. NaN (not
    tested) stays NaN and does not count.

    Raises:
        ValueError: For a p value outside [0, 1].
    """
    values = np.asarray(p_values, dtype=np.float64)
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"p values lie in [0, 1], got {values.tolist()}.")
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted = np.full(len(values), math.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * factors))
    return [float(value) for value in adjusted]
