"""The ``schema.json`` of TAAC-2026: ids, numbers and sequences by feature id."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyrec.data.parquet.policy import DataError
from hyrec.messages import listed

_FORMAT = "raw_parquet"
_SIDES = {
    "user_int": ("fid, vocabulary, width", 3),
    "item_int": ("fid, vocabulary, width", 3),
    "user_dense": ("fid, width", 2),
    "item_dense": ("fid, width", 2),
}


@dataclass(frozen=True)
class Domain:
    """One sequence: what its columns begin with, the feature id of its times, and vocabularies by feature id."""

    prefix: str
    time: int | None
    features: dict[int, int]


@dataclass
class TaacSchema:
    """What a ``schema.json`` says.

    Args:
        ids: ``(vocabulary, width)`` by column. A vocabulary counts the ids from 0 on; a width above 1 is that of lists.
        numbers: Width by column.
        domains: Sequences by name.
        unknown: Other keys of the file.
    """

    ids: dict[str, tuple[int, int]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @classmethod
    def find(cls, folder: Path) -> tuple[TaacSchema, Path]:
        """Read the folder's ``schema.json``, or its one file whose name ends so; return it with its path.

        Raises:
            DataError: For no such file, several of them, or one of another form.
        """
        found = [path for path in [folder / "schema.json"] if path.is_file()] or sorted(folder.glob("*schema.json"))
        if len(found) != 1:
            names = listed([path.name for path in found or sorted(folder.glob("*.json"))], "There")
            raise DataError(f"{folder} needs one schema.json beside the Parquet files. {names} Name one schema.json.")
        try:
            return cls.of(json.loads(found[0].read_text(encoding="utf-8"))), found[0]
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{found[0]} is not valid JSON: {error}.") from error
        except DataError as error:
            raise DataError(f"{found[0]}: {error}") from error

    @classmethod
    def of(cls, content: Any) -> TaacSchema:
        """Take over the content of a file.

        Raises:
            DataError: For another form, with the key.
        """
        if not isinstance(content, dict) or not ({*_SIDES, "seq"} & {*content}):
            raise DataError(f"it is no schema of TAAC-2026, which has the keys {', '.join(_SIDES)} and seq.")
        if content.get("format", _FORMAT) != _FORMAT:
            raise DataError(f"format is {content['format']!r}; only {_FORMAT!r} can be imported.")
        out = cls(unknown=[key for key in content if key not in (*_SIDES, "seq", "format")])
        for side, (form, size) in _SIDES.items():
            for entry in _entries(content.get(side, []), side, form, size):
                column = f"{side}_feats_{entry[0]}"
                if column in out.ids or column in out.numbers:
                    raise DataError(f"{side} names the feature {entry[0]} twice.")
                if size == 3:
                    out.ids[column] = (entry[1], entry[2])
                else:
                    out.numbers[column] = entry[1]
        for name, one in _mapping(content.get("seq", {}), "seq").items():
            where = f"seq.{name}"
            one = _mapping(one, where)
            time = one.get("ts_fid")
            if not isinstance(one.get("prefix"), str) or not (time is None or isinstance(time, int)):
                raise DataError(f"{where} needs a prefix (text) and ts_fid (a feature id, or null).")
            entries = _entries(one.get("features", []), f"{where}.features", "fid, vocabulary", 2)
            out.domains[name] = Domain(one["prefix"], time, {entry[0]: entry[1] for entry in entries})
        return out


def _mapping(content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise DataError(f"{where} must be a mapping, got {type(content).__name__}.")
    return content


def _entries(content: Any, where: str, form: str, size: int) -> list[list[int]]:
    entries = content if isinstance(content, list) else [content]
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != size or not all(type(number) is int for number in entry):
            raise DataError(f"{where} must be a list of [{form}], got the entry {str(entry)[:60]}.")
    return entries
