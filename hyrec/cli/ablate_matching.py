"""Solves for the width at which a variant of a study costs what its baseline does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from torch._subclasses.fake_tensor import FakeTensorMode

from hyrec.cli.ablate_costs import CountingCLI, costs_of, count
from hyrec.cli.errors import CommandError
from hyrec.cli.parser import shortened
from hyrec.ranker import Ranker
from hyrec.studies.matching import Costs, Match, solve_width

OPTION = "model.d_model"
"""What is solved for."""
_DIVISIBLE = (64, 60)


def match_variant(
    base_arguments: Sequence[str],
    variant_arguments: Sequence[str],
    tolerances: Mapping[str, float],
    *,
    fixed: Collection[str] = (),
    name: str = "variant",
) -> Match:
    """Find the ``d_model`` at which a variant costs what the baseline does.

    Widths that leave the number of mixed tokens as it is are tried first: with ``pad_tokens``, another width may
    pad to many more tokens, which is another architecture.

    Args:
        base_arguments: What follows ``hyrec fit`` for the baseline.
        variant_arguments: The same for the variant, at the width where the search starts.
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
    match = _Widths(variant_arguments, name).solve(costs_of(base_arguments), tolerances)
    if not match.within:
        raise CommandError(f"{name}: {match}")
    return match


class _Widths:
    """The variant at every width that has been asked for."""

    def __init__(self, arguments: Sequence[str], name: str) -> None:
        self.cli, self.name = CountingCLI(arguments), name
        self._built: dict[int, tuple[Ranker, FakeTensorMode] | str] = {}
        self._counted: dict[int, Costs] = {}

    def solve(self, target: Costs, tolerances: Mapping[str, float]) -> Match:
        """Return the nearest width, one with the usual number of tokens if such a one is near enough."""
        usual, found = self._tokens(self.cli.width), []
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
        width = self.cli.width
        refusals = {str(self._build(w)) for w in (width, *(-(-width // d) * d for d in _DIVISIBLE))}
        if len(refusals) == 1:
            raise CommandError(f"{self.name} cannot be built. {refusals.pop()}")

    def _nearest(self, target: Costs, tolerances: Mapping[str, float], allowed: Callable[[int], bool]) -> Match:
        return solve_width(self._costs, target, tolerances, start=self.cli.width, allowed=allowed)

    def _build(self, width: int) -> tuple[Ranker, FakeTensorMode] | str:
        """Return the model, or why it cannot be built."""
        if width not in self._built:
            try:
                self._built[width] = self.cli.build_at(width)
            except ValueError as error:
                self._built[width] = shortened(str(error))
        return self._built[width]

    def _tokens(self, width: int) -> int | None:
        """Return the number of mixed tokens; None for a width that is refused."""
        built = self._build(width)
        return None if isinstance(built, str) else int(built[0].network.ctx.num_tokens)

    def _costs(self, width: int) -> Costs:
        if width not in self._counted:
            built = self._build(width)
            assert not isinstance(built, str)
            self._counted[width] = count(*built)
        return self._counted[width]
