"""The figures of a build's report."""

from __future__ import annotations

import numpy as np
import polars as pl

from hyrec.data.logs.encode import Encoded, Encoder
from hyrec.data.logs.history import Positions
from hyrec.data.logs.reading import Logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.report import BuildReport, LengthStats
from hyrec.data.logs.roles import Roles
from hyrec.data.logs.rows import Mask
from hyrec.schema import MISSING_ID, OOV_ID, Task

SPLITS = ("train", "validate", "test")


def report_of(
    recipe: Recipe, rows: Roles, encoder: Encoder, encoded: dict[str, Encoded], lengths: dict[str, LengthStats]
) -> BuildReport:
    """Count what was read, kept and left out."""
    logs, masks = rows.logs, {split: rows.split == number for number, split in enumerate(SPLITS)}
    labels = {task.column or name: logs.rows.column(task.column or name) for name, task in recipe.tasks.items()}
    dropped = sum(logs.dropped.values())
    return BuildReport(
        files=logs.files,
        rows_read=logs.rows.height + dropped,
        dropped=logs.dropped,
        history_only=int((rows.split < 0).sum()),
        splits={split: int(mask.sum()) for split, mask in masks.items()},
        base_rates={split: _base_rates(recipe, labels, mask) for split, mask in masks.items()},
        vocabulary={table: vocabulary.size for table, vocabulary in encoder.vocabularies.items()},
        rare_values={table: vocabulary.num_rare for table, vocabulary in encoder.vocabularies.items()},
        oov={split: _shares(encoded, mask, OOV_ID) for split, mask in masks.items()},
        missing={split: _shares(encoded, mask, MISSING_ID) for split, mask in masks.items()},
        history_lengths=lengths,
        snapshot_events=logs.past.height,
        snapshot_hidden=int(((rows.split >= 0) & ~rows.sees_snapshot).sum()),
        repeated=logs.repeated,
        notes=_notes(recipe, logs),
    )


def _base_rates(recipe: Recipe, labels: dict[str, pl.Series], mask: Mask) -> dict[str, float]:
    rates = {}
    for name, task in recipe.tasks.items():
        known = labels[task.column or name].filter(pl.Series(mask)).drop_nulls()
        positive = _is_positive(known, task).to_numpy()
        rates[name] = float(positive.mean()) if len(positive) else 0.0
    return rates


def _is_positive(values: pl.Series, task: Task) -> pl.Series:
    values = values.cast(pl.Float64)
    return values.is_in(task.positive) if task.positive else values > task.threshold


def _shares(encoded: dict[str, Encoded], mask: Mask, counted: int) -> dict[str, float]:
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
    notes = list(logs.notes)
    if recipe.snapshot is not None and logs.snapshot is None:
        notes.append(f"No snapshot ({', '.join(recipe.snapshot.files)}) was found: histories begin with the log.")
    return notes
