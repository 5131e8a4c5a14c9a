"""What a study asks: a base, variants as dotted overrides, paired seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any, get_args, get_origin, get_type_hints

from hyrec.messages import suggest, unknown

SCALING_AXES = ("dense_parameters", "sparse_parameters", "flops_per_sample")
"""What a scaling fit can have on its x axis."""
MATCHABLE = ("flops", "dense_parameters")
"""What a variant can be made equal to the baseline in."""
DEFAULT_METRICS = ("query_auc", "auc", "logloss")
"""Test metrics of a study that names none."""
_MAX_SEED = 2**32 - 1
"""The largest seed that NumPy and Lightning take."""


class StudyError(ValueError):
    """A study that cannot be used: what was wrong, what is allowed, the nearest name."""


@dataclass(frozen=True)
class Variant:
    """One row of a study: a family, at one point of the grid.

    Args:
        name: Name of its folder: the family, and the point when there is a grid.
        family: Name in the study file.
        point: Options that the grid sets, by dotted key; empty without a grid.
        configs: Configs after the base's.
        options: Overrides by dotted key.
        paper: Figures that the paper prints for this row, by metric.
        match: Allowed relative deviation from the baseline by kind of cost; empty for a width as it is written.
    """

    name: str
    family: str
    point: Mapping[str, Any] = field(default_factory=dict)
    configs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    paper: Mapping[str, float] = field(default_factory=dict)
    match: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A question, the variants that answer it, and the seeds that every variant is trained with.

    Args:
        name: Name of its folder and of its runs.
        configs: Configs of the base, as on the command line of ``hyrec fit``.
        options: Overrides of the base by dotted key.
        metrics: Test metrics; the first decides.
        seeds: The same for every variant, so that differences are paired.
        baseline: Family that the others are compared with.
        variants: The rows, all families at the first point of the grid first.
        slices: Feature whose training count slices the test rows, by role ``user`` or ``item``.
        scaling: Costs that a scaling curve is fitted against; empty for none.

    Raises:
        StudyError: When nothing can be compared.
    """

    name: str
    question: str
    configs: tuple[str, ...]
    options: Mapping[str, Any]
    metrics: tuple[str, ...]
    seeds: tuple[int, ...]
    baseline: str
    variants: tuple[Variant, ...]
    slices: Mapping[str, str] = field(default_factory=dict)
    scaling: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.baseline not in self.families:
            raise StudyError(
                unknown("The baseline", self.baseline, self.families, why=" is no variant", allowed="Variants")
            )
        for seed in self.seeds:
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _MAX_SEED:
                raise StudyError(f"seeds must be whole numbers from 0 to {_MAX_SEED}, got {seed!r}.")
            if self.seeds.count(seed) > 1:
                raise StudyError(f"seeds holds {seed} twice: the same run again says nothing new.")

    @property
    def families(self) -> tuple[str, ...]:
        """Families, in the order of the study file."""
        return tuple(dict.fromkeys(variant.family for variant in self.variants))

    def variant(self, name: str) -> Variant:
        """Return the variant of a name; ``StudyError``, with the nearest one, when there is none."""
        known = {variant.name: variant for variant in self.variants}
        if name not in known:
            raise StudyError(unknown("The study has no variant", name, known, allowed="Variants"))
        return known[name]

    def baseline_of(self, variant: Variant) -> Variant:
        """Return the baseline at the same point of the grid."""
        for other in self.variants:
            if other.family == self.baseline and other.point == variant.point:
                return other
        raise StudyError(f"The baseline {self.baseline!r} has no row at the point of {variant.name!r}.")

    def select(self, *, variants: Sequence[str] = (), seeds: Sequence[int] = ()) -> Study:
        """Return the study with some of its variants and other seeds; the baseline always stays."""
        known = [*self.families, *(variant.name for variant in self.variants)]
        for name in variants:
            if name not in known:
                raise StudyError(
                    f"The study has no variant {name!r}.{suggest(name, known)} Variants: {', '.join(self.families)}."
                )
        wanted = {v.name for v in self.variants if not variants or v.family in variants or v.name in variants}
        wanted |= {self.baseline_of(v).name for v in self.variants if v.name in wanted}
        kept = tuple(variant for variant in self.variants if variant.name in wanted)
        return replace(self, variants=kept, seeds=tuple(seeds) or self.seeds)


def from_plain(kind: Any, value: Any) -> Any:
    """Build a dataclass from what JSON has made of it, with tuples again; ``TypeError`` for other keys than its own."""
    if is_dataclass(kind):
        types = get_type_hints(kind)
        return kind(**{key: from_plain(types.get(key), item) for key, item in dict(value).items()})  # type: ignore[operator]
    return tuple(from_plain(get_args(kind)[0], item) for item in value) if get_origin(kind) is tuple else value
