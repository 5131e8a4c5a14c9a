"""What a build did, in figures."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class LengthStats:
    """Lengths of one sequence over the impressions of all splits, in events."""

    mean: float
    p95: float
    max: int
    empty: float


@dataclass(frozen=True)
class BuildReport:
    """Counts of everything that was read, kept and left out.

    Args:
        files: Files that were read.
        rows_read: Rows of the log files.
        dropped: Rows that are neither impression nor history, by reason.
        history_only: Rows that are history but no impression, because they precede ``split.train_from``.
        splits: Rows by split.
        base_rates: Share of positives by split and task, unknown labels left out.
        vocabulary: Rows of each embedding table, reserved ids included.
        rare_values: Values below ``min_count`` by table.
        oov: Share of out-of-vocabulary ids among the known ones, by split and id feature.
        missing: Share of missing values by split and feature, where there are any.
        history_lengths: By sequence.
        snapshot_events: Events that the snapshot added to the pool.
        snapshot_hidden: Impressions that are not later than their user's snapshot and do not see it.
        repeated: Rows that repeat another in every column that the recipe reads, kept or dropped as it says.
        notes: Anything else worth knowing.
    """

    files: list[str]
    rows_read: int
    dropped: dict[str, int]
    history_only: int
    splits: dict[str, int]
    base_rates: dict[str, dict[str, float]]
    vocabulary: dict[str, int]
    rare_values: dict[str, int]
    oov: dict[str, dict[str, float]]
    missing: dict[str, dict[str, float]]
    history_lengths: dict[str, LengthStats]
    snapshot_events: int = 0
    snapshot_hidden: int = 0
    repeated: int = 0
    notes: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the figures as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        lines = [f"read      {self.rows_read:,} rows of {', '.join(self.files)}"]
        lines += [f"dropped   {n:,} rows: {reason}" for reason, n in self.dropped.items() if n]
        if self.repeated and "repeats another row" not in self.dropped:
            lines.append(
                f"repeated  {self.repeated:,} rows repeat another in all columns that are read; log.repeated: keep"
            )
        if self.history_only:
            lines.append(f"history   {self.history_only:,} rows before the training span serve as history only")
        if self.snapshot_events:
            hidden = f"; hidden from {self.snapshot_hidden:,} impressions that are not later"
            lines.append(f"snapshot  {self.snapshot_events:,} events{hidden if self.snapshot_hidden else ''}")
        for split, rows in self.splits.items():
            rates = ", ".join(f"{task} {rate:.4f}" for task, rate in self.base_rates[split].items())
            lines.append(f"{split:<9} {rows:,} rows, {rates}")
        for name, stats in self.history_lengths.items():
            lines.append(
                f"sequence  {name}: mean {stats.mean:.1f} events, p95 {stats.p95:.0f}, max {stats.max}, "
                f"empty for {stats.empty:.1%}"
            )
        for table, size in self.vocabulary.items():
            rare = f", {self.rare_values[table]:,} values too rare" if self.rare_values[table] else ""
            lines.append(f"table     {table}: {size:,} ids{rare}")
        for split in [s for s in self.oov if s != "train"]:
            shares = sorted(((share, name) for name, share in self.oov[split].items() if share > 0), reverse=True)
            if shares:
                lines.append(f"{split} OOV".ljust(14) + ", ".join(f"{n} {s:.1%}" for s, n in shares[:6]))
        return "\n".join([*lines, *(f"note      {note}" for note in self.notes)])
