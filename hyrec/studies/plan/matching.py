"""Solves for the width at which a variant of a study costs what its baseline does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from hyrec.config.experiment import Experiment
from hyrec.config.parser import shortened
from hyrec.inspection import ModelCosts
from hyrec.messages import CommandError
from hyrec.studies.plan.command_lines import costs_at
from hyrec.studies.plan.width_search import Match, solve_width

OPTION = "model.d_model"
"""What is solved for."""
_DIVISIBLE = (64, 60)


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
    pad to many more tokens, which is another architecture.

    Args:
        target: What the baseline costs.
        variant: The variant, at the width where the search starts.
        tolerances: Allowed relative deviation by kind of cost, ``flops`` and ``dense_parameters``.
        fixed: Dotted options that the grid or the variant sets, and that must stay.
        name: Name of the variant, for errors.

    Raises:
        CommandError: When the width is fixed, when the variant cannot be built, or when no width
            comes within the tolerances; the message says which tolerances would do.
    """
    if set(fixed) & {OPTION, "model.init_args.d_model"}:
        raise CommandError(
            f"{name}: match solves for {OPTION}, which the study fixes for this variant. "
            f"Take {OPTION} out of the grid and of the variant's options, or write match: {{}} for the variant."
        )
    match = _Widths(variant, name).solve(target, tolerances)
    if not match.within:
        raise CommandError(f"{name}: {match}")
    return match


class _Widths:
    """The variant at every width that has been asked for."""

    def __init__(self, experiment: Experiment, name: str) -> None:
        self.experiment, self.name = experiment, name
        self.start = int(experiment.options["model"]["init_args"]["d_model"])
        self._known: dict[int, ModelCosts | str] = {}

    def solve(self, target: ModelCosts, tolerances: Mapping[str, float]) -> Match:
        """Return the nearest width, one with the usual number of tokens if such a one is near enough."""
        usual, found = self._tokens(self.start), []
        if usual is None:
            self._blame_the_width()
        else:
            found.append(self._nearest(target, tolerances, lambda width: self._tokens(width) == usual))
            if found[0].within:
                return found[0]
        found.append(self._nearest(target, tolerances, lambda width: self._tokens(width) is not None))
        return min(found, key=lambda match: match.worst)

    def _blame_the_width(self) -> None:
        """Raise what is refused in the same words at widths that divide well: it is not about the width."""
        refusals = {str(self._at(w)) for w in (self.start, *(-(-self.start // d) * d for d in _DIVISIBLE))}
        if len(refusals) == 1:
            raise CommandError(f"{self.name} cannot be built. {refusals.pop()}")

    def _nearest(self, target: ModelCosts, tolerances: Mapping[str, float], allowed: Callable[[int], bool]) -> Match:
        return solve_width(self._costs, target, tolerances, start=self.start, allowed=allowed)

    def _at(self, width: int) -> ModelCosts | str:
        """Return what the variant costs at a width, or why it cannot be built."""
        if width not in self._known:
            try:
                self._known[width] = costs_at(self.experiment, d_model=width)
            except ValueError as error:
                self._known[width] = shortened(str(error))
        return self._known[width]

    def _tokens(self, width: int) -> int | None:
        """Return the number of mixed tokens; None for a width that is refused."""
        costs = self._at(width)
        return None if isinstance(costs, str) else costs.num_tokens

    def _costs(self, width: int) -> ModelCosts:
        costs = self._at(width)
        assert not isinstance(costs, str)
        return costs
