"""Negatives for a log of positives: what a recipe says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hyrec.data.logs.recipe_parts import RecipeError

REQUEST = "request"
"""Column of the data set with the number of a positive, which its negatives have, too."""


@dataclass(frozen=True)
class Negatives:
    """Items that a user did not take, drawn beside every row of a log that holds positives only.

    Args:
        count: Distinct items drawn for each row, of those that rows of the training span hold; a user's items of the
            log's rows up to the row's moment, that moment included, are never drawn. Nor are items that only later
            rows hold, so that there a new item tells the positive; the build says how many rows have one.
        by: ``uniform``: all these items alike, or ``popularity``: as often as rows of the training span hold them.
        seed: Of the draws. They follow from it, the log and the number of the row alone.
    """

    count: int = 4
    by: Literal["uniform", "popularity"] = "uniform"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 10_000:
            raise RecipeError(f"negatives.count must be 1 to 10000 items for each row, got {self.count}.")
        if not 0 <= self.seed < 2**63:
            raise RecipeError(f"negatives.seed must be 0 or more and below 2^63, got {self.seed}.")
