"""A small log of three days with a history, in which tests plant what a profile shall find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hyrec.schema import Feature, Schema, SequenceSpec, Task

DAY, START = 86_400, 1_767_571_200
SPLITS = ("train", "validate", "test")


def schema() -> Schema:
    """Return the log's schema; ``extra`` and ``tag`` are for what tests plant."""
    return Schema(
        features={
            "user": Feature(vocab_size=60),
            "item": Feature(vocab_size=43, role="item", table="item"),
            "hour": Feature(vocab_size=27, role="context"),
            "tag": Feature(vocab_size=13, role="item"),
            "tags": Feature(kind="multi_id", vocab_size=13, role="item", max_length=3),
            "price": Feature(kind="dense", role="item"),
            "extra": Feature(kind="dense", role="item"),
        },
        sequences={
            "seen": SequenceSpec(
                {"item": Feature(vocab_size=43, table="item", column="seen_item")}, "seen_time", max_length=5
            )
        },
        tasks={"click": Task()},
        group_column="user",
        time_column="time",
    )


def log(rows: int = 1200, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Return columns by split and name, without a leak: labels follow item and price a little."""
    draw = np.random.default_rng(seed)
    out: dict[str, dict[str, Any]] = {}
    for day, split in enumerate(SPLITS):
        item, price = draw.integers(3, 43, rows), draw.normal(size=rows)
        label = draw.random(rows) < 1 / (1 + np.exp(1 - 0.3 * price - 0.02 * item))
        time = np.sort(START + day * DAY + draw.choice(DAY, rows, replace=False))
        lengths = draw.integers(0, 8, rows)
        out[split] = {
            "user": draw.integers(3, 60, rows),
            "item": item,
            "hour": time % DAY // 3600 + 3,
            "tag": draw.integers(3, 13, rows),
            "tags": [draw.integers(3, 13, n).tolist() for n in draw.integers(1, 5, rows)],
            "price": price,
            "extra": draw.normal(size=rows),
            "seen_item": [draw.integers(3, 43, n).tolist() for n in lengths],
            "seen_time": [np.sort(t - draw.integers(1, DAY, n)).tolist() for t, n in zip(time, lengths, strict=True)],
            "time": time,
            "click": label.astype(np.int8),
        }
    return out


def write(folder: Path, columns: dict[str, dict[str, Any]], spec: Schema | None = None) -> Path:
    """Write the log as a built folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, values in columns.items():
        pl.DataFrame(values).write_parquet(folder / f"{split}.parquet", row_group_size=500)
    (spec or schema()).save(folder / "schema.yaml")
    return folder
