"""Solves for the width at which a variant of a study costs what its baseline does."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from hyrec.config.experiment import Experiment
from hyrec.config.parser import shortened
from hyrec.inspection import ModelCosts
from hyrec.messages import CommandError
from hyrec.studies.plan.command_lines import costs_at

OPTION = "model.d_model"
"""What is solved for."""
_COSTS = {"flops": "flops_per_sample", "dense_parameters": "dense_parameters"}
_REACH = 16
"""How many times wider or narrower than the start a width may be."""
_NEIGHBOURS = 4
"""Allowed widths that are looked at on either side of the crossing, where the cost does not grow steadily."""
_NEAR = 0.25


@dataclass(frozen=True)
class Match:
    """The width whose costs come nearest to a target, and how near.

    Deviations are relative differences from the target by kind of cost, positive when it costs more; tolerances are the
    allowed size of each.
    """

    width: int
    costs: ModelCosts
    deviations: Mapping[str, float]
    tolerances: Mapping[str, float]

    @property
    def ratios(self) -> list[float]:
        """The deviations in multiples of their tolerances."""
        return [off / self.tolerances[kind] for kind, off in self.deviations.items()]

    @property
    def worst(self) -> float:
        """The largest deviation, in multiples of its tolerance."""
        return max(map(abs, self.ratios))

    @property
    def within(self) -> bool:
        """Whether all deviations are allowed."""
        return self.worst <= 1.0

    @property
    def sufficient(self) -> dict[str, float]:
        """Tolerances that this width would satisfy, rounded up to a tenth of a percent."""
        return {k: max(self.tolerances[k], math.ceil(abs(off) * 1000) / 1000) for k, off in self.deviations.items()}

    def __str__(self) -> str:
        off = ", ".join(f"{kind} {value:+.1%}" for kind, value in self.deviations.items())
        if self.within:
            return f"width {self.width} ({off})"
        asked, enough = (
            "{" + ", ".join(f"{kind}: {100 * value:g}%" for kind, value in tolerances.items()) + "}"
            for tolerances in (self.tolerances, self.sufficient)
        )
        missed = f"No width matches within {asked}: the nearest is {self.width} ({off})."
        hopeless = max(self.sufficient.values()) >= 1.0
        return f"{missed} No tolerance below 100% would do." if hopeless else f"{missed} {enough} would do."


def match_variant(
    target: ModelCosts,
    variant: Experiment,
    tolerances: Mapping[str, float],
    *,
    fixed: Collection[str] = (),
    name: str = "variant",
) -> Match:
    """Find the ``d_model`` at which a variant costs what the baseline does.

    Widths that leave the number of mixed tokens as it is are tried first: with ``pad_tokens``, another width may
    pad to many more tokens, which is another architecture. Tolerances are relative, by kind of cost; the dotted options
    in ``fixed`` must stay.

    Raises:
        CommandError: When the width is fixed, the variant cannot be built, or no width comes within the tolerances.
    """
    if set(fixed) & {OPTION, "model.init_args.d_model"}:
        raise CommandError(
            f"{name}: match solves for {OPTION}, which the study fixes for this variant. "
            f"Take {OPTION} out of the grid and of the variant's options, or write match: {{}} for the variant."
        )
    start = int(variant.options["model"]["init_args"]["d_model"])

    @functools.cache
    def built(width: int) -> ModelCosts | str:
        """Return what the variant costs at a width, or why it cannot be built."""
        try:
            return costs_at(variant, d_model=width)
        except ValueError as error:
            return shortened(str(error))

    def search(num_tokens: int | None) -> Match:
        """Return the nearest width, of those with a number of mixed tokens if one is named."""

        def cost_of(width: int) -> ModelCosts | None:
            costs = built(width)
            return None if isinstance(costs, str) or num_tokens not in (None, costs.num_tokens) else costs

        return solve_width(cost_of, target, tolerances, start=start)

    usual = built(start)
    if isinstance(usual, str):
        refusals = {str(built(width)) for width in (start, *(-(-start // d) * d for d in (64, 60)))}
        if len(refusals) == 1:  # in the same words at widths that divide well: it is not about the width
            raise CommandError(f"{name} cannot be built. {refusals.pop()}")
        match = search(None)
    else:
        match = search(usual.num_tokens)
        if not match.within:
            match = min(match, search(None), key=lambda found: found.worst)
    if not match.within:
        raise CommandError(f"{name}: {match}")
    return match


def solve_width(
    cost_of: Callable[[int], ModelCosts | None],
    target: ModelCosts,
    tolerances: Mapping[str, float],
    *,
    start: int,
) -> Match:
    """Find the width whose costs come nearest to a target's.

    The nearest width has the smallest largest deviation, each deviation in multiples of its tolerance. It is found by
    bisection, for costs grow with the width; where that misses the tolerance, widths nearby are tried as well, for
    padding makes the growth uneven.

    Args:
        cost_of: Costs at a width; None for one that is not allowed. It is asked once for each.
        target: What is to be met.
        tolerances: Allowed relative deviation by kind of cost, ``flops`` and ``dense_parameters``. All must hold.
        start: Where the search begins; it ends at 16 times that, and at a sixteenth. ``ValueError`` without a width.

    Example:
        >>> def cost_of(width):
        ...     return ModelCosts(dense_parameters=width**2, sparse_parameters=0, flops_per_sample=8.0 * width)
        >>> print(solve_width(cost_of, ModelCosts(5000, 0, 1.0), {"dense_parameters": 0.02}, start=64))
        width 71 (dense_parameters +0.8%)
    """
    least, most = max(1, start // _REACH), start * _REACH

    @functools.cache
    def at(width: int) -> Match | None:
        if (costs := cost_of(width)) is None:
            return None
        off = {k: getattr(costs, _COSTS[k]) / getattr(target, _COSTS[k]) - 1.0 for k in tolerances}
        return Match(width, costs, off, tolerances)

    def nearest_to(wanted: int, low: int, high: int) -> Match | None:
        """Return the allowed width that is nearest to a wanted one, between two bounds."""
        outwards = sorted(range(low, high + 1), key=lambda width: (abs(width - wanted), width))
        return next((match for width in outwards if (match := at(width))), None)

    def best(found: Iterable[Match]) -> Match:
        return min(found, key=lambda match: (match.worst, abs(match.width - start), match.width))

    low = high = nearest_to(start, least, most)
    if low is None or high is None:
        raise ValueError(f"No width from {least} to {most} in steps of 1 is allowed.")
    while _excess(high) < 0 and (wider := nearest_to(min(2 * high.width, most), high.width + 1, most)):
        low, high = high, wider
    while _excess(low) > 0 and (narrower := nearest_to(max(low.width // 2, least), least, low.width - 1)):
        low, high = narrower, low
    while middle := nearest_to((low.width + high.width) // 2, low.width + 1, high.width - 1):
        low, high = (middle, high) if _excess(middle) < 0 else (low, middle)
    found = best([low, high])
    if found.within:
        return found
    around, reach = [found], max(1, int(found.width * _NEAR))
    for side in (range(-1, -reach - 1, -1), range(1, reach + 1)):
        widths = (found.width + step for step in side if least <= found.width + step <= most)
        fitting = (match for width in widths if (match := at(width)))
        around += [match for match, _ in zip(fitting, range(_NEIGHBOURS), strict=False)]
    return best(around)


def _excess(match: Match) -> float:
    """Grows with the width, and is zero where the largest deviation is smallest."""
    return max(match.ratios) + min(match.ratios)
