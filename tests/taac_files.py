"""Files of the shape of TAAC-2026, small: what the public sample's schema and statistics say, with drawn values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NOW = 1_772_725_000
SCHEMA: dict[str, Any] = {
    "format": "raw_parquet",
    "user_int": [[1, 5, 1], [3, 40, 1], [15, 30, 13], [48, 9, 1], [62, 11, 5], [89, 10, 10], [100, 3, 1]],
    "item_int": [[5, 30, 1], [11, 50, 20], [16, 60, 1]],
    "user_dense": [[61, 16], [62, 5], [87, 8], [89, 10]],
    "seq": {
        "seq_a": {"prefix": "domain_a_seq", "ts_fid": 39, "features": [[38, 3000], [39, 0], [40, 19]]},
        "seq_b": {"prefix": "domain_b_seq", "ts_fid": 67, "features": [[67, 0], [68, 28], [69, 5_000_000]]},
        "seq_c": {"prefix": "domain_c_seq", "ts_fid": 27, "features": [[27, 0], [28, 75]]},
        "seq_d": {"prefix": "domain_d_seq", "ts_fid": 26, "features": [[17, 5], [26, 0]]},
    },
}
"""As the online schema: columns of times have the vocabulary 0. The sample's schema has their largest value there."""


def columns(rows: int = 60, seed: int = 0) -> dict[str, pa.Array]:
    """Draw columns: nulls, -1 and ids beyond the vocabulary occur, events are newest first, ids go with weights."""
    rng = np.random.default_rng(seed)
    time = NOW + np.sort(rng.integers(0, 800, rows))

    def some(lengths: np.ndarray, draw: Any, kind: pa.DataType) -> pa.Array:
        lists = [None if rng.random() < 0.1 else draw(int(n)).tolist() for n in lengths]
        return pa.array(lists, pa.list_(kind))

    out: dict[str, pa.Array] = {
        "user_id": pa.array(1000 + rng.permutation(rows)),
        "item_id": pa.array(rng.integers(0, 10**8, rows)),
        "label_type": pa.array(np.where(rng.random(rows) < 0.3, 2, 1).astype(np.int32)),
        "label_time": pa.array(time + 100),
        "timestamp": pa.array(time),
    }
    for side in ("user_int", "item_int"):
        for fid, vocabulary, width in SCHEMA[side]:
            if width == 1:
                drawn = rng.integers(-1, vocabulary + 1, rows)
                out[f"{side}_feats_{fid}"] = pa.array(drawn, mask=rng.random(rows) < 0.1)
            elif (fid, width) in {tuple(entry) for entry in SCHEMA["user_dense"]}:
                lengths = np.where(rng.random(rows) < 0.1, -1, rng.integers(1, width + 1, rows))
                ids = [None if n < 0 else rng.integers(0, vocabulary, n).tolist() for n in lengths]
                large = 60_000 if fid == 62 else 1
                weights = [None if n < 0 else (rng.random(n) * large).tolist() for n in lengths]
                out[f"{side}_feats_{fid}"] = pa.array(ids, pa.list_(pa.int64()))
                out[f"user_dense_feats_{fid}"] = pa.array(weights, pa.list_(pa.float32()))
            else:
                lengths = rng.integers(0, width + 1, rows)
                out[f"{side}_feats_{fid}"] = some(lengths, lambda n: rng.integers(0, 30, n), pa.int64())
    for fid, width in SCHEMA["user_dense"]:
        if f"user_dense_feats_{fid}" not in out:
            out[f"user_dense_feats_{fid}"] = some(np.full(rows, width), rng.standard_normal, pa.float32())
    for domain in SCHEMA["seq"].values():
        lengths = rng.integers(0, 30, rows)
        for fid, vocabulary in domain["features"]:
            lists = []
            for moment, n in zip(time, lengths, strict=True):
                ages = np.sort(rng.integers(1, 10**6, n))
                lists.append(
                    (moment - ages if fid == domain["ts_fid"] else rng.integers(0, vocabulary + 2, n)).tolist()
                )
            out[f"{domain['prefix']}_{fid}"] = pa.array(lists, pa.list_(pa.int64()))
    return out


def write(
    folder: Path, *, rows: int = 60, seed: int = 0, schema: dict[str, Any] | None = None, change: Any = None
) -> Path:
    """Write ``part-0.parquet`` and ``schema.json``; ``change`` edits the columns before."""
    folder.mkdir(parents=True, exist_ok=True)
    made = columns(rows, seed)
    if change:
        change(made)
    pq.write_table(pa.table(made), folder / "part-0.parquet", row_group_size=25)
    (folder / "schema.json").write_text(json.dumps(schema or SCHEMA))
    return folder
