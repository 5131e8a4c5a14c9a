"""Files of the shape of FuxiCTR's data sets (the Taobao ads of its examples), small, with drawn values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

CONFIG: dict[str, Any] = {
    "taobao_tiny": {
        "data_root": "../data/",
        "data_format": "csv",
        "train_data": "../data/taobao_tiny/train.csv",
        "valid_data": "../data/taobao_tiny/valid.csv",
        "test_data": "../data/taobao_tiny/test.csv",
        "min_categr_count": 2,
        "feature_cols": [
            {"name": ["userid", "pid", "cate_id"], "active": True, "dtype": "str", "type": "categorical"},
            {"name": "adgroup_id", "active": True, "dtype": "str", "type": "categorical", "source": "item"},
            {"name": "final_gender_code", "active": True, "dtype": "int", "type": "categorical", "fill_na": -1},
            {"name": "price", "active": True, "dtype": "float", "type": "numeric", "normalizer": "StandardScaler"},
            {"name": "hour", "active": True, "dtype": "str", "type": "categorical", "preprocess": "convert_hour"},
            {"name": "brand2", "active": True, "dtype": "str", "type": "categorical", "preprocess": "copy_from(brand)"},
            {"name": "brand", "active": False, "dtype": "str", "type": "categorical"},
            {"name": "tags", "active": True, "dtype": "str", "type": "sequence", "splitter": "|", "max_len": 3},
            *(
                {
                    "name": name, "active": True, "dtype": "str", "type": "sequence", "splitter": "^", "max_len": 4,
                    "padding": "pre", "share_embedding": shared, "embedding_dim": 16,
                }
                for name, shared in (("click_sequence", "adgroup_id"), ("cate_sequence", "cate_id"))
            ),
            {"name": "search_id", "active": True, "dtype": "str", "type": "meta"},
        ],
        "label_col": {"name": "clk", "dtype": "float"},
        "group_id": "search_id",
    }
}  # fmt: skip
"""As a config of FuxiCTR; paths count from the folder that it runs in."""


def rows(number: int, seed: int = 0) -> pl.DataFrame:
    """Draw rows: empty values, short and long histories, ids that look like numbers, a column that no config names."""
    rng = np.random.default_rng(seed)

    def joined(lengths: np.ndarray, prefix: str, sep: str) -> list[str | None]:
        return [sep.join(f"{prefix}{v}" for v in rng.integers(0, 12, n)) or None for n in lengths]

    lengths = rng.integers(0, 7, number)
    return pl.DataFrame(
        {
            "clk": (rng.random(number) < 0.4).astype(int),
            "time_stamp": ["2017-05-06 00:00:00"] * number,
            "userid": [f"{v:05d}" for v in rng.integers(0, 15, number)],
            "adgroup_id": rng.integers(0, 12, number),
            "pid": [None if rng.random() < 0.1 else f"430548_{v}" for v in rng.integers(0, 2, number)],
            "cate_id": [f"c{v}" for v in rng.integers(0, 12, number)],
            "final_gender_code": rng.integers(-1, 3, number),
            "price": [None if rng.random() < 0.1 else float(v) for v in rng.random(number) * 300],
            "brand": rng.integers(0, 5, number),
            "tags": joined(rng.integers(0, 5, number), "t", "|"),
            "click_sequence": joined(lengths, "", "^"),
            "cate_sequence": joined(lengths, "c", "^"),
            "search_id": np.repeat(np.arange(number // 4 + 1), 4)[:number],
        }
    )


def write(folder: Path, *, kind: str = "csv", config: dict[str, Any] | None = None, **named: Any) -> Path:
    """Write ``config/dataset_config.yaml`` and the files of three splits; ``named`` are keys of the entry."""
    (folder / "config").mkdir(parents=True)
    (folder / "taobao_tiny").mkdir()
    entry = dict((config or CONFIG)["taobao_tiny"])
    for seed, (split, number) in enumerate({"train": 120, "valid": 40, "test": 40}.items()):
        frame = rows(number, seed)
        path = folder / "taobao_tiny" / f"{split}.{kind}"
        if kind == "csv":
            frame.write_csv(path)
        else:
            frame.write_parquet(path)
        entry[f"{split}_data"] = f"../data/taobao_tiny/{split}.{kind}"
    text = yaml.safe_dump({"taobao_tiny": {**entry, "data_format": kind, **named}})
    (folder / "config" / "dataset_config.yaml").write_text(text)
    return folder
