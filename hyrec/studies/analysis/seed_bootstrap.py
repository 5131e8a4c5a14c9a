"""Intervals of anything that is computed from the mean over seeds, by drawing seeds with replacement."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement

import numpy as np

from hyrec.studies.analysis.scores import Floats
from hyrec.studies.analysis.statistics import LEVEL, ONE_RUN, Interval

_MAX_DRAWS = 2000


class SeedBootstrap:
    """All draws of n seeds with replacement and how likely each is; 2000 random ones when there are more than that.

    Whole seeds are drawn: every size and every family of a draw uses the same ones, so comparisons stay paired.
    Intervals are expanded percentile intervals (Hesterberg, 2015, "What teachers should know about the bootstrap"):
    plain percentiles of a handful of seeds are too narrow, and the tails are moved out until the interval of a mean
    would be Student's. With five seeds it is nearly all that the draws span, and a 95 % interval holds the truth in
    about 91 % of simulated studies; with three seeds in 75 % only.
    """

    def __init__(self, num_seeds: int) -> None:
        if num_seeds < 1:
            raise ValueError(f"A bootstrap over seeds needs at least one, got {num_seeds}.")
        self.num_seeds = num_seeds
        if math.comb(2 * num_seeds - 1, num_seeds) <= _MAX_DRAWS:
            draws = list(combinations_with_replacement(range(num_seeds), num_seeds))
            counts = np.stack([np.bincount(draw, minlength=num_seeds) for draw in draws])
            ways = [math.factorial(num_seeds) / math.prod(math.factorial(int(k)) for k in row) for row in counts]
            self.probability = np.asarray(ways) / float(num_seeds) ** num_seeds
        else:
            rng = np.random.default_rng(0)
            counts = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=_MAX_DRAWS)
            self.probability = np.full(_MAX_DRAWS, 1 / _MAX_DRAWS)
        self.shares: Floats = counts / num_seeds

    def means(self, values: Floats) -> Floats:
        """Return the mean over the drawn seeds: ``(draws, ...)`` of ``(seeds, ...)``."""
        return np.asarray(np.tensordot(self.shares, values, axes=1))

    def interval(self, estimate: float, drawn: Floats) -> Interval:
        """Return the expanded percentile interval of a statistic, from its value on every draw, ``(draws,)``."""
        if self.num_seeds < 2:
            return Interval(estimate, count=self.num_seeds, note=ONE_RUN)
        from scipy.special import ndtr, stdtrit

        n = self.num_seeds
        tail = float(ndtr(-math.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 + LEVEL) / 2)))
        order = np.argsort(drawn)
        from_below = np.cumsum(self.probability[order])
        from_above = np.cumsum(self.probability[order][::-1])
        low = drawn[order][np.searchsorted(from_below, tail)]
        high = drawn[order][::-1][np.searchsorted(from_above, tail)]
        return Interval(estimate, float(low), float(high), count=n)
