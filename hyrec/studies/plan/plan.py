"""A study with every variant resolved: what differs, what it costs, and which cells are to be run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hyrec.files import write_text
from hyrec.studies.plan.study import Study, StudyError, Variant, from_plain

PLAN_FILE = "plan.json"
WITHIN_BUDGET = 0.05
"""Dense parameters and FLOPs of a fair comparison differ by at most this share."""


@dataclass(frozen=True)
class Change:
    """One option in which a variant differs from the base at its point of the grid.

    A value is None where there is no such option. ``carried`` is an argument that was given for a class and survived in
    the class that replaced it.
    """

    key: str
    base: Any
    value: Any
    carried: bool = False


@dataclass(frozen=True)
class PlannedVariant:
    """A variant that has been parsed and counted.

    Args:
        arguments: What follows ``hyrec fit``, without seed, folder and name.
        changes: Resolved differences from the base.
        dense_parameters: Their number, embedding tables left out.
        sparse_parameters: Numbers in the embedding tables.
        flops_per_sample: Forward FLOPs a sample at the longest histories that the schema allows.
        matched: Options that budget matching chose; empty when nothing was matched.
        seconds_per_cell: Estimated wall time of one cell, in seconds; None when it was not measured.
        digest: Hash of all resolved options; it changes when a config that the variant names is edited.
        order_option: Option of the data that orders the training rows by the seed; empty for data without one.
        options: All resolved options by dotted key, as JSON knows them; what ``digest`` is the hash of. Empty in plans
            that an earlier version wrote.
    """

    variant: Variant
    arguments: tuple[str, ...]
    changes: tuple[Change, ...]
    dense_parameters: int
    sparse_parameters: int
    flops_per_sample: float
    matched: Mapping[str, Any] = field(default_factory=dict)
    seconds_per_cell: float | None = None
    digest: str = ""
    order_option: str = "--data.seed"
    options: Mapping[str, Any] = field(default_factory=dict)

    def differences(self, other: PlannedVariant) -> list[str]:
        """Return what the same variant of another plan would run differently, one line each."""
        mine, theirs = self.options, other.options
        if mine and theirs:
            pairs = [
                (key.removesuffix(".class_path"), *(_json(o, key) for o in (mine, theirs)))
                for key in {**mine, **theirs}
            ]
            if changes := [f"{key}: {old} -> {new}" for key, old, new in pairs if old != new]:
                return changes
        if self.arguments != other.arguments:
            return [argument_changes(self.arguments, other.arguments)]
        return ["what its configs say"] if self.digest != other.digest else []


@dataclass(frozen=True)
class RelativeCosts:
    """What a variant costs, beside the baseline at its point of the grid."""

    planned: PlannedVariant
    base: PlannedVariant

    @property
    def dense_ratio(self) -> float:
        """Dense parameters over those of the baseline."""
        return _ratio(self.planned.dense_parameters, self.base.dense_parameters)

    @property
    def flops_ratio(self) -> float:
        """FLOPs over those of the baseline."""
        return _ratio(self.planned.flops_per_sample, self.base.flops_per_sample)

    @property
    def within_budget(self) -> bool:
        """Whether both ratios lie within 5 % of 1."""
        return all(abs(ratio - 1) <= WITHIN_BUDGET for ratio in (self.dense_ratio, self.flops_ratio))


@dataclass(frozen=True)
class Plan:
    """A study that is ready to run.

    Args:
        study: The study, with the variants and seeds that were selected.
        version: Version of hyrec.
        commit: Commit of the checkout that hyrec was imported from; None outside of one.
        selection: What the command line changed in the study file: ``set``, ``seeds``, ``variants``.
        file_seeds: Seeds that the study file named, whatever was selected; empty when that was not written down.
        working_folder: Folder that relative paths in the arguments count from; empty when that was not written down.
    """

    study: Study
    variants: tuple[PlannedVariant, ...]
    version: str
    commit: str | None = None
    selection: Mapping[str, Any] = field(default_factory=dict)
    file_seeds: tuple[int, ...] = ()
    working_folder: str = ""

    def planned(self, name: str) -> PlannedVariant:
        """Return the entry of a variant; ``StudyError`` when there is none."""
        rows = {planned.variant.name: planned for planned in self.variants}
        return rows[self.study.variant(name).name]

    def costs(self, planned: PlannedVariant) -> RelativeCosts:
        """Set a variant beside its baseline."""
        return RelativeCosts(planned, self.planned(self.study.baseline_of(planned.variant).name))

    def to_dict(self) -> dict[str, Any]:
        """Return plain mappings and lists."""
        rows = [{**asdict(planned), "variant": planned.variant.name} for planned in self.variants]
        return {**asdict(self), "variants": rows}

    def save(self, folder: str | Path) -> Path:
        """Write ``plan.json``."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, default=str)
        return write_text(Path(folder) / PLAN_FILE, text + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> Plan:
        """Read ``plan.json`` of a study's folder; ``StudyError`` without one that this version can read."""
        path = Path(folder) / PLAN_FILE
        if not path.is_file():
            raise StudyError(f"{folder} is not the folder of a study: it holds no {PLAN_FILE}.")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            variants = {variant["name"]: variant for variant in content["study"]["variants"]}
            rows = [{**row, "variant": variants[row["variant"]]} for row in content["variants"]]
            plan: Plan = from_plain(cls, {**content, "variants": rows})
            return plan
        except (ValueError, KeyError, TypeError) as error:
            raise StudyError(f"{path} cannot be read: {error!r}. It may be of another version of hyrec.") from error

    def differences(self, other: Plan) -> list[str]:
        """Return what keeps another plan from resuming the cells of this one, one line each.

        Seeds, variants, metrics, slices and fits may be added; what is there must stay as it is.
        """
        mine, theirs = self.study, other.study
        lines = [f"name: {mine.name} -> {theirs.name}"] if mine.name != theirs.name else []
        if any(seed not in theirs.seeds for seed in mine.seeds):
            lines.append(f"seeds: {list(mine.seeds)} -> {list(theirs.seeds)}; seeds can be added, none can go")
        after = {planned.variant.name: planned for planned in other.variants}
        for planned in self.variants:
            name = planned.variant.name
            if name not in after:
                lines.append(f"variant {name} is gone; variants can be added, none can go")
            else:
                lines += [f"variant {name}: {change}" for change in planned.differences(after[name])]
        return lines


def argument_changes(before: Sequence[str], after: Sequence[str]) -> str:
    """Return in one line which arguments are others."""
    gone, new = (" ".join(x for x in one if x not in two) for one, two in ((before, after), (after, before)))
    return f"{gone or 'nothing'} -> {new or 'nothing'}" if gone or new else "the same arguments in another order"


def _json(options: Mapping[str, Any], key: str) -> str:
    return json.dumps(options[key], sort_keys=True, ensure_ascii=False) if key in options else "not set"


def _ratio(cost: float, base: float) -> float:
    return cost / base if base else 1.0 if cost == base else math.inf
