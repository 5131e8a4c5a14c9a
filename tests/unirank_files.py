"""Files of the shape that UniRank's preprocessing writes, small, with drawn values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

NOW = 1_650_000_000_000
LABELS = ["is_click", "long_view"]
ACTIONS = {"exposure": 1, "is_click": 2, "is_click|long_view": 3, "long_view": 4}
"""Each combination of feedback is an action; 0 is padding."""
SIZES = {"user_id": 10, "item_id": 31, "video_type": 4, "degree": 5, "tab": 6, "tags": 9, "action": 5}
"""Ids count from 1: tables hold 0 too."""
BLOCKS = {"train": 2, "valid": 1, "test": 1}


def _column(name: str, kind: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "active": True, "dtype": "int", "type": kind, **options}


CONFIG: dict[str, Any] = {
    "Tiny_Action": {
        "data_root": "./datasets",
        "data_format": "parquet",
        **{f"{s}_data": f"./datasets/Tiny_Action/{s}/data" for s in BLOCKS},
        **{f"{s}_{kind}": f"./datasets/Tiny_Action/{s}/{kind}" for s in BLOCKS for kind in ("user_info", "item_info")},
        "rebuild_dataset": False,
        "blocked": True,
        "block_cache_size": 2,
        "feature_cols": [
            *(_column(name, "meta") for name in ("user_index", "item_index", "seq_len")),
            *(_column(name, "categorical", vocab_size=SIZES[name]) for name in ("user_id", "degree", "tab")),
            *(_column(n, "categorical", vocab_size=SIZES[n], source="item") for n in ("item_id", "video_type")),
            _column("tags", "sequence", max_len=3, vocab_size=SIZES["tags"]),
            _column("action", "categorical", vocab_size=SIZES["action"], source="action"),
        ],
        "label_col": [{"name": name, "dtype": "float"} for name in LABELS],
    }
}  # fmt: skip


def events(seed: int = 0) -> list[dict[str, Any]]:
    """Draw the events of nine users in the order of time, some of one moment; the last of each test and validate."""
    rng = np.random.default_rng(seed)
    drawn = []
    for user in range(9):
        number = int(rng.integers(3, 140 if user == 0 else 12))
        times = NOW + np.sort(rng.integers(0, number, number)) * 60_000
        for place, time in enumerate(times):
            click, view = (int(v) for v in rng.integers(0, 2, 2))
            name = "|".join(n for n, on in zip(LABELS, (click, view), strict=True) if on) or "exposure"
            drawn.append(
                {
                    "user": user, "place": place, "time": int(time), "item": int(rng.integers(1, 31)),
                    "action": ACTIONS[name], "is_click": float(click), "long_view": float(view),
                    "degree": user % 5, "tab": int(rng.integers(0, 6)), "tags": [user % 3 + 1, user % 4, 0],
                    "split": "test" if place == number - 1 else "valid" if place == number - 2 else "train",
                }
            )  # fmt: skip
    return drawn


def video_type(item: int) -> int:
    return item % 4


def write(
    folder: Path, *, seed: int = 0, timed: bool = True, config: bool = False, meta: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Write the blocks of three splits and ``meta_data.json``; return the events.

    Users go to the block of the fewest rows, three at a time, each time as a row group; indices count within a block.
    """
    drawn = events(seed)
    for split, number in BLOCKS.items():
        rows_of, users_of = [0] * number, [dict[int, int]() for _ in range(number)]
        items_of = [{0: 0} for _ in range(number)]
        writers: list[dict[str, pq.ParquetWriter]] = [{} for _ in range(number)]
        for part in range(3):
            rows = [e for e in drawn if e["split"] == split and e["user"] % 3 == part]
            block = int(np.argmin(rows_of))
            users, items = users_of[block], items_of[block]
            histories = []
            for user in sorted({e["user"] for e in rows}, reverse=True):  # the order of a set tells nothing
                own = [e for e in drawn if e["user"] == user]
                history = {
                    "user_index": users.setdefault(user, len(users)),
                    "full_item_seq": [items.setdefault(e["item"], len(items)) for e in own],
                    "full_action_seq": [e["action"] for e in own],
                }
                histories.append(history | ({"full_timestamp_seq": [e["time"] for e in own]} if timed else {}))
            lists = ("full_item_seq", "full_action_seq", "full_timestamp_seq")[: 3 if timed else 2]
            kinds = {"user_index": pa.int32(), **dict.fromkeys(lists, pa.list_(pa.int64()))}
            _append(writers[block], folder / split / "user_info", block, kinds, histories)
            kinds = dict.fromkeys(["user_index", "item_index", "seq_len", "user_id", "degree", "tab"], pa.int32())
            kinds |= {"tags": pa.list_(pa.int64()), **dict.fromkeys(LABELS, pa.float32())}
            local = [
                {
                    **e, "user_index": users[e["user"]], "item_index": items[e["item"]], "seq_len": e["place"],
                    "user_id": e["user"] + 1,
                }
                for e in rows
            ]  # fmt: skip
            _append(writers[block], folder / split / "data", block, kinds, local)
            rows_of[block] += len(rows)
        for block, items in enumerate(items_of):
            own = [{"item_index": i, "item_id": g, "video_type": video_type(g)} for g, i in items.items()]
            kinds = dict.fromkeys(["item_index", "item_id", "video_type"], pa.int32())
            _append(writers[block], folder / split / "item_info", block, kinds, own)
            for writer in writers[block].values():
                writer.close()
    told = {"label": LABELS, "vocab_size": {**SIZES, "timestamp": 0}, "action_vocab": ACTIONS}
    (folder / "meta_data.json").write_text(json.dumps(told if meta is None else meta, indent=4))
    if config:
        (folder / "dataset_config.yaml").write_text(yaml.safe_dump(CONFIG))
    return drawn


def _append(
    writers: dict[str, pq.ParquetWriter], folder: Path, block: int, kinds: dict[str, pa.DataType], rows: list[Any]
) -> None:
    table = pa.Table.from_pylist(rows, pa.schema(list(kinds.items())))
    if folder.name not in writers:
        folder.mkdir(parents=True, exist_ok=True)
        writers[folder.name] = pq.ParquetWriter(folder / f"part-{block:05d}.parquet", table.schema)
    writers[folder.name].write_table(table)
