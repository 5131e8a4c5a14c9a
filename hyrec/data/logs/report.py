"""What a build did, in figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from hyrec.data.logs.encode import Encoded, Encoder
from hyrec.data.logs.event_report import EventStats, event_stats
from hyrec.data.logs.history import Positions
from hyrec.data.logs.joins import poor_joins
from hyrec.data.logs.reading import Logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG
from hyrec.data.logs.roles import Roles
from hyrec.data.logs.rows import Mask
from hyrec.data.logs.splitting import SPLITS
from hyrec.schema import MISSING_ID, OOV_ID, Task


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
        warnings: Splits without rows or with one label, counters that move between the rows of a group, which are
            compared with one another, event logs that no impression sees, and features whose ids are all unknown.
        events: By event log.
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
    warnings: list[str] = field(default_factory=list)
    events: dict[str, EventStats] = field(default_factory=dict)

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
        for name, events in self.events.items():
            lines += events.lines(name)
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
        lines += [f"note      {note}" for note in self.notes]
        return "\n".join([*lines, *(f"warning   {warning}" for warning in self.warnings)])


def report_of(
    recipe: Recipe,
    rows: Roles,
    encoder: Encoder,
    encoded: dict[str, Encoded],
    lengths: dict[str, LengthStats],
    told: tuple[list[str], list[str]],
) -> BuildReport:
    """Count what was read, kept and left out."""
    logs, masks = rows.logs, {split: rows.split == number for number, split in enumerate(SPLITS)}
    labels = {column: logs.rows.column(column) for column in recipe.labels.values()}
    dropped = sum(logs.dropped.values())
    events, unseen = event_stats(recipe, logs)
    oov = {split: shares(encoded, mask, OOV_ID) for split, mask in masks.items()}
    unmatched = list(poor_joins(recipe, LOG, logs.rows))
    for name, held in logs.events.items():
        unmatched += poor_joins(recipe, name, held.rows)
    return BuildReport(
        files=logs.files,
        rows_read=int(logs.is_event.sum()) + dropped,  # rows that were drawn are no events
        dropped=logs.dropped,
        history_only=int((rows.split < 0).sum()),
        splits={split: int(mask.sum()) for split, mask in masks.items()},
        base_rates={split: _base_rates(recipe, labels, mask) for split, mask in masks.items()},
        vocabulary={table: vocabulary.size for table, vocabulary in encoder.vocabularies.items()},
        rare_values={table: vocabulary.num_rare for table, vocabulary in encoder.vocabularies.items()},
        oov=oov,
        missing={split: shares(encoded, mask, MISSING_ID) for split, mask in masks.items()},
        history_lengths=lengths,
        snapshot_events=logs.past.height,
        snapshot_hidden=int(((rows.split >= 0) & ~rows.sees_snapshot).sum()),
        repeated=logs.repeated,
        notes=[*_notes(recipe, logs), *told[1]],
        warnings=[
            *(*logs.warnings, *_split_warnings(recipe, labels, masks), *told[0], *unseen, *unmatched),
            *unknown_ids(oov),
        ],
        events=events,
    )


def _split_warnings(recipe: Recipe, labels: dict[str, pl.Series], masks: dict[str, Mask]) -> list[str]:
    """Tell of splits without rows, and of labels that have one value in a split."""
    warnings, sizes = [], {split: int(mask.sum()) for split, mask in masks.items()}
    for split, mask in masks.items():
        if not sizes[split]:
            others = ", ".join(f"{name} {rows:,}" for name, rows in sizes.items())
            warnings.append(f"{split} has no rows ({others}): change split.")
            continue
        for name, task in recipe.tasks.items():
            known = labels[recipe.labels[name]].filter(pl.Series(mask)).drop_nulls()
            positives = int(is_positive(known, task).sum())
            if positives in (0, len(known)):
                found = f"the {len(known):,} known of {sizes[split]:,} labels of {name!r} are all "
                found += "positive" if positives else "negative"
                if not len(known):
                    found = f"none of {sizes[split]:,} labels of {name!r} is known"
                warnings.append(f"{split}: {found}: there is nothing to {'learn' if split == 'train' else 'rank'}.")
    return warnings


def unknown_ids(oov: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Tell of features of whose ids in a split the vocabulary holds none: what is learned is never met."""
    of_splits: dict[str, list[str]] = {}
    for split, by_feature in oov.items():
        for name in [name for name, share in by_feature.items() if share == 1]:
            of_splits.setdefault(name, []).append(split)
    for name, splits in of_splits.items():
        if "train" in splits:  # there is nothing to learn either
            yield (
                f"features.{name}: every id is out of vocabulary, in rows that train, too: none is as frequent as "
                "min_count. Lower it, or leave the feature out."
            )
            continue
        yield (
            f"features.{name}: every known id in {' and '.join(splits)} is out of vocabulary: what is learned of "
            "it is of no use there. Ids that are new each time, as of a request or a day, are no feature: leave it "
            "out, or take what repeats (a property from a table, derive: weekday). Or split otherwise."
        )


def _base_rates(recipe: Recipe, labels: dict[str, pl.Series], mask: Mask) -> dict[str, float]:
    rates = {}
    for name, task in recipe.tasks.items():
        known = labels[recipe.labels[name]].filter(pl.Series(mask)).drop_nulls()
        positive = is_positive(known, task)
        rates[name] = float(positive.mean()) if len(positive) else 0.0
    return rates


def is_positive(values: pl.Series, task: Task) -> Mask:
    """Return which known labels of a task are positive."""
    return task.is_positive(values.cast(pl.Float64).to_numpy())


def shares(encoded: dict[str, Encoded], mask: Mask, counted: int) -> dict[str, float]:
    """Return the share of one reserved id by feature; for dense features the share of missing values."""
    shares = {name: round(column.share(mask, counted), 6) for name, column in encoded.items()}
    return {name: share for name, share in shares.items() if share > 0}


def length_stats(start: Positions, end: Positions, max_length: int, used: Mask) -> LengthStats:
    """Describe how many events the impressions that ``used`` marks see."""
    lengths = np.minimum(end - start, max_length)[used]
    return LengthStats(
        round(float(lengths.mean()), 4),
        float(np.quantile(lengths, 0.95)),
        int(lengths.max()),
        round(float((lengths == 0).mean()), 6),
    )


def _notes(recipe: Recipe, logs: Logs) -> list[str]:
    notes = [*logs.notes, *(note for events in logs.events.values() for note in events.notes)]
    if recipe.snapshot is not None and logs.snapshot is None:
        notes.append(f"No snapshot ({', '.join(recipe.snapshot.files)}) was found: histories begin with the log.")
    return notes
