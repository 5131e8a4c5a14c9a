"""Which baselines there are, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hyrec.baselines.baseline import Baseline
from hyrec.baselines.boosting import BoostingBaseline
from hyrec.baselines.din_training import DINBaseline
from hyrec.baselines.logistic import LogisticBaseline
from hyrec.baselines.rates import FrozenRates, MovingRates
from hyrec.messages import unknown


@dataclass(frozen=True)
class BaselineKind:
    """One of the baselines.

    Args:
        make: Makes it, of a seed and of the rows that it may hold in memory.
        about: What it is, in one line.
        is_random: Whether another seed gives other figures.
    """

    make: Callable[[int, int], Baseline]
    about: str
    is_random: bool = False


BASELINES = {
    "counting_frozen": BaselineKind(
        lambda seed, rows: FrozenRates(), "smoothed rates of item, user and context, as training left them"
    ),
    "counting_moving": BaselineKind(
        lambda seed, rows: MovingRates(), "the same rates, counted on over all earlier rows of validation and test"
    ),
    "logistic": BaselineKind(
        lambda seed, rows: LogisticBaseline(rows), "logistic regression on one-hot ids, lists, buckets and numbers"
    ),
    "lightgbm": BaselineKind(
        lambda seed, rows: BoostingBaseline(rows, seed), "boosted trees on numbers and ids of small tables", True
    ),
    "din": BaselineKind(
        lambda seed, rows: DINBaseline(seed), "embeddings of all fields, target attention, Adam on everything", True
    ),
}


def chosen(names: str) -> list[str]:
    """Return the baselines that a text names, separated by commas; ``counting`` is both of it. Empty: all.

    Raises:
        ValueError: For a name that is unknown.
    """
    asked = [name.strip() for name in names.split(",") if name.strip()]
    for name in asked:
        if name != "counting" and name not in BASELINES:
            raise ValueError(unknown("There is no baseline", name, ["counting", *BASELINES], allowed="Baselines"))
    return [n for n in BASELINES if not asked or n in asked or (n.startswith("counting") and "counting" in asked)]
