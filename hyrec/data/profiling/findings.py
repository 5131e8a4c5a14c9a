"""What a profile warns of: each with its place, its number and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FindingKind = Literal[
    "predicts_label", "equals_label", "known_by_label", "late_events", "newest_is_impression", "constant_label",
    "empty_split", "time_overlap", "repeated_rows", "repeated_impressions", "drift", "new_ids", "constant_feature",
    "out_of_vocabulary",
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """Something that may spoil training or make its figures too good.

    Args:
        kind: What it is.
        where: The feature, sequence, task or split.
        value: Its number: a share, an AUC or a PSI, as ``told`` says.
        told: A sentence with that number.
        advice: What to do about it.
        is_leak: Whether the label or the future may be known before the impression.
    """

    kind: FindingKind
    where: str
    value: float
    told: str
    advice: str
    is_leak: bool = True

    def __str__(self) -> str:
        return f"{'leak?' if self.is_leak else 'note '}  {self.where}: {self.told} {self.advice}"


_MANY, _SHOWN = 3, 8
_TOGETHER: dict[str, str] = {
    "drift": "PSI between training and evaluation is much",
    "new_ids": "many values have ids that training never saw",
    "out_of_vocabulary": "many values are out of vocabulary",
    "constant_feature": "every training row has the same value",
}


def in_short(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings as people read them: suspected leaks each, then notes; many of a kind become one.

    Example:
        >>> drifted = [Finding("drift", f"f{i}", i / 2, "It drifts.", "Look.", False) for i in range(1, 5)]
        >>> print(*in_short(drifted))
        note   4 features: PSI between training and evaluation is much: f4 2.00, f3 1.50, f2 1.00, f1 0.50. Look.
    """
    notes = sorted((f for f in findings if not f.is_leak), key=lambda f: (f.kind, -f.value))
    out = [finding for finding in findings if finding.is_leak]
    for kind in dict.fromkeys(finding.kind for finding in notes):
        alike = [finding for finding in notes if finding.kind == kind]
        if len(alike) <= _MANY or kind not in _TOGETHER:
            out += alike
            continue
        named = [f"{f.where} {f.value:.2f}" if kind != "constant_feature" else f.where for f in alike[:_SHOWN]]
        more = f" and {len(alike) - _SHOWN} more" if len(alike) > _SHOWN else ""
        said = f"{_TOGETHER[kind]}: {', '.join(named)}{more}."
        out.append(Finding(kind, f"{len(alike)} features", alike[0].value, said, alike[0].advice, False))
    return out
