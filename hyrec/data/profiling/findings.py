"""What a profile warns of: each with its place, its number and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingKind = Literal[
    "predicts_label", "equals_label", "known_by_label", "late_events", "newest_is_impression", "constant_label",
    "empty_split", "time_overlap", "repeated_rows", "repeated_impressions", "drift", "new_ids",
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
