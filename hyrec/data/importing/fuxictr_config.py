"""What FuxiCTR says of a data set: an entry of ``dataset_config.yaml``, or ``feature_map.json`` of encoded files."""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from hyrec.data.parquet.policy import DataError
from hyrec.mappings import read_mapping
from hyrec.messages import listed

_CONFIGS = (
    "dataset_config.yaml", "config/dataset_config.yaml", "dataset_config/*.yaml", "config/dataset_config/*.yaml"
)  # fmt: skip
_MAP = "feature_map.json"
_SPLITS = {"train": "train_data", "validate": "valid_data", "test": "test_data"}
_FORMATS = ("csv", "parquet")
_TYPES = ("categorical", "sequence", "numeric", "embedding", "meta")
_OLDER = {"na_value": "fill_na", "encoder": "feature_encoder", "category_encoder": "category_processor"}
"""What options of columns were called in earlier versions, as in configs of BARS."""
_KNOWN = {
    *_SPLITS.values(), "data_root", "data_format", "feature_cols", "label_col", "min_categr_count", "rebuild_dataset",
    "group_id", "dataset_id", "blocked",
}  # fmt: skip


@dataclass(frozen=True)
class FuxiColumn:
    """A column: its name, its type, and what else an entry of ``feature_cols`` says."""

    name: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FuxiConfig:
    """One data set.

    Args:
        name: Its name.
        path: The file that describes it.
        files: Folder and glob of the files of each split that is there.
        columns: Its columns.
        labels: Columns of labels.
        group: Column that grouped metrics compare within, or empty.
        min_count: Rows that a value needs, unless a column says otherwise.
        is_encoded: Whether the files hold ids already, 0 being padding.
        unknown: Keys of the entry that say nothing here.
        absent: Files that are named and not there.
    """

    name: str
    path: Path
    files: dict[str, tuple[Path, str]]
    columns: list[FuxiColumn]
    labels: list[str]
    group: str
    min_count: int
    is_encoded: bool
    unknown: list[str]
    absent: list[str]

    @classmethod
    def find(cls, folder: Path) -> FuxiConfig:
        """Read the one data set that a folder describes and whose training rows it holds.

        Raises:
            DataError: For none of them or several, and for what cannot be read.
        """
        paths = [path for pattern in _CONFIGS for path in sorted(folder.glob(pattern))]
        if not paths and (folder / _MAP).is_file():
            return cls._of_map(folder)
        if not paths:
            raise DataError(f"{folder} has no dataset_config.yaml, in it or in config/, and no {_MAP}.")
        entries = {
            name: (path, entry) for path in paths for name, entry in read_mapping(path, str(path), DataError).items()
        }
        there = [
            name
            for name, (path, entry) in entries.items()
            if isinstance(entry, dict) and _locate(folder, path, entry, "train_data")
        ]
        if len(there) != 1:
            what = (
                "the training rows of several data sets"
                if there
                else "no training rows of a data set that it describes"
            )
            named = [
                f"{name} ({entry.get('data_format', 'csv')}: {entry.get('train_data')})"
                for name, (_, entry) in entries.items()
                if isinstance(entry, dict)
            ]
            raise DataError(
                f"{folder} holds {what}. {listed(there or named, 'Described')}\n"
                "Files are looked for by what their names end with, train_data: a/b/train.csv also as b/train.csv and "
                "train.csv; csv and parquet can be read. Keep one data set in the config, beside its files."
            )
        path, entry = entries[there[0]]
        try:
            return cls._of_entry(folder, path, there[0], entry)
        except DataError as error:
            raise DataError(f"{path}, {there[0]}: {error}") from error

    @classmethod
    def _of_entry(cls, folder: Path, path: Path, name: str, entry: dict[str, Any]) -> FuxiConfig:
        if entry.get("blocked"):
            raise DataError(
                "blocked data (data, user_info and item_info side by side) is UniRank's: hyrec data import unirank "
                "FOLDER, with the folder that holds train/data."
            )
        columns = []
        for one in _list(entry.get("feature_cols"), "feature_cols"):
            names = one.get("name")
            kind = one.get("type")
            if kind not in _TYPES:
                raise DataError(f"the column {names} has the type {kind!r}. {listed(_TYPES, 'Types')}")
            options = {_OLDER.get(key, key): value for key, value in one.items()}
            columns += [FuxiColumn(str(own), kind, options) for own in (names if isinstance(names, list) else [names])]
        names = [column.name for column in columns]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"feature_cols names {twice[0]!r} twice.")
        labels = [str(one.get("name")) for one in _list(entry.get("label_col"), "label_col")]
        if not columns or not labels:
            raise DataError(
                "it needs feature_cols and label_col; without them, import the folder with feature_map.json."
            )
        files = {split: found for split, key in _SPLITS.items() if (found := _locate(folder, path, entry, key))}
        absent = [str(entry[key]) for split, key in _SPLITS.items() if entry.get(key) and split not in files]
        return cls(
            name, path, files, columns, labels, str(entry.get("group_id") or ""),
            whole(entry, "min_categr_count", 1), entry.get("rebuild_dataset") is False,
            [key for key in entry if key not in _KNOWN], absent,
        )  # fmt: skip

    @classmethod
    def _of_map(cls, folder: Path) -> FuxiConfig:
        path = folder / _MAP
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            columns = [
                FuxiColumn(name, one["type"], one) for entry in content["features"] for name, one in entry.items()
            ]
            labels = list(content["labels"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is no feature map of FuxiCTR, with features and labels ({error}).") from error
        entry = {key: str(folder / f"{key.removesuffix('_data')}.parquet") for key in _SPLITS.values()}
        entry["data_format"] = "parquet"
        files = {split: found for split, key in _SPLITS.items() if (found := _locate(folder, path, entry, key))}
        if "train" not in files:
            there = listed([other.name for other in sorted(folder.iterdir())], "There")
            raise DataError(f"{folder} has no train.parquet beside {_MAP}. {there} Only Parquet can be imported.")
        group = content.get("group_id") or ""
        return cls(str(content.get("dataset_id", folder.name)), path, files, columns, labels, group, 1, True, [], [])


def whole(options: Mapping[str, Any], key: str, default: int) -> int:
    """Return a whole number of a config.

    Raises:
        DataError: For anything else.
    """
    value = default if options.get(key) is None else options[key]
    if type(value) is not int or value < 0:
        raise DataError(f"{key} must be a whole number, 0 or more, got {value!r}.")
    return value


def _list(content: Any, key: str) -> list[dict[str, Any]]:
    entries = content if isinstance(content, list) else [content] if content else []
    if not all(isinstance(entry, dict) and entry.get("name") for entry in entries):
        raise DataError(f"{key} must be a list of {{name: ..., type: ..., dtype: ...}}, got {str(content)[:80]}.")
    return entries


def _locate(folder: Path, config: Path, entry: dict[str, Any], key: str) -> tuple[Path, str] | None:
    """Return folder and glob of the files that an entry names.

    Its paths count from where FuxiCTR ran. They are taken from the folder, from the config and from above it; then ever
    shorter ends of them are looked for in the folder.
    """
    named, kind = entry.get(key), str(entry.get("data_format", "csv"))
    if not isinstance(named, str) or not named or kind not in _FORMATS:
        return None
    parts = [part for part in PurePosixPath(named).parts if part not in (".", "..", "/")]
    places = [root / named for root in (folder, config.parent, config.parent.parent)]
    for place in [*places, *(folder.joinpath(*parts[start:]) for start in range(len(parts)))]:
        for path in (place, place.with_name(f"{place.name}.{kind}")):
            if path.is_file() and path.suffix == f".{kind}":
                return path.parent, glob.escape(path.name)
        if place.is_dir() and any(place.glob(f"*.{kind}")):
            return place, f"*.{kind}"
    return None
