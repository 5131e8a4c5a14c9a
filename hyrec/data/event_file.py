"""Events that are stored once: an Arrow file that is mapped into memory, and rows that name their part of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

KEY = b"hyrec.events"
"""Key in the metadata: of samples, the event file of each sequence; of an event file, the digest of its events."""
FOLDER = "events"
"""Folder of the event files, beside the samples."""
PLACE = "place"
"""Column of an event's place in the order of time, where events count in another order than that of their times."""
START, LENGTH = "start", "length"
"""Fields of a sample's range of events: the first, and how many there are."""
RANGE = pa.struct([(START, pa.uint32()), (LENGTH, pa.uint32())])
"""Type of a column of such ranges."""


def range_column(sequence: str) -> str:
    """Return the column of the samples that says which events of a sequence each may see."""
    return f"s_{sequence}"


def file_name(sequence: str) -> str:
    """Return the name of a sequence's event file."""
    return f"{sequence}.arrow"


def write_events(path: Path, columns: Mapping[str, pa.Array]) -> dict[str, str]:
    """Write events, those of a user together and in the order in which they count; return what samples say of them.

    Values are neither copied nor compressed, so that a reader maps them and has no more in memory than it looks at.
    """
    hashed = hashlib.blake2b(digest_size=8)
    for name, array in columns.items():
        hashed.update(f"{name} {array.type} {len(array)} ".encode())
        for buffer in array.buffers():
            hashed.update(buffer or b"-")
    digest = hashed.hexdigest()
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.ipc.new_file(str(path), batch.schema.with_metadata({KEY: digest})) as writer:
        writer.write_batch(batch)
    return {"file": f"{path.parent.name}/{path.name}", "digest": digest}


@dataclass(frozen=True)
class EventFile:
    """The events of one sequence, mapped: pages are read when they are used, and all processes share them.

    Args:
        path: The file.
        sequence: Name of the sequence.
        columns: Values of each event by column.
        place: Place of each event in the order of time. None: events are stored in that order.
    """

    path: str
    sequence: str
    columns: dict[str, pa.Array]
    place: pa.Array | None

    @property
    def num_events(self) -> int:
        """How many there are."""
        return len(next(iter(self.columns.values())))


def event_files(samples: str, fields: pa.Schema, needed: Iterable[str]) -> dict[str, EventFile]:
    """Open the event files that samples refer to; return those that hold the columns needed, by column.

    Args:
        samples: Path of a Parquet file, beside which its event files lie.
        fields: What that file holds.
        needed: Columns that are not in it.

    Raises:
        ValueError: For an event file that is missing, damaged, of another build, or not named.
    """
    found: dict[str, EventFile] = {}
    needed = set(needed)
    ranges = [field.name for field in fields if field.type == RANGE] if needed else []
    told = {range_column(sequence): (sequence, of) for sequence, of in _told(samples, fields.metadata).items()}
    for column in ranges:
        if not any(name.startswith(f"{column}__") for name in needed):
            continue
        if column not in told:
            raise ValueError(
                f"{samples} has ranges of events in {column!r}, but its metadata does not say of which file: whatever "
                f"wrote it anew must keep {KEY.decode()!r}."
            )
        events = _open(samples, *told[column])
        found |= dict.fromkeys(needed & {*events.columns}, events)
    return found


def _told(samples: str, metadata: Mapping[bytes, bytes] | None) -> dict[str, dict[str, str]]:
    try:
        told: Any = json.loads((metadata or {}).get(KEY, b"{}"))
        return {str(name): {"file": str(of["file"]), "digest": str(of["digest"])} for name, of in told.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{samples}: its {KEY.decode()} does not name event files. Build it again.") from None


def _open(samples: str, sequence: str, told: Mapping[str, str]) -> EventFile:
    path = Path(samples).parent / told["file"]
    if not path.is_file():
        raise ValueError(
            f"{samples} takes the events of {sequence!r} from {path}, which is not there. Move or copy a data set with "
            f"its folder {FOLDER}/, or build it again."
        )
    try:
        with pa.memory_map(str(path)) as mapped:
            batch = pa.ipc.open_file(mapped).get_batch(0)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise ValueError(f"{path} cannot be read as Arrow ({reason}). Copy it again, or build it again.") from error
    if (batch.schema.metadata or {}).get(KEY, b"").decode() != told["digest"]:
        raise ValueError(f"{path} holds the events of another build than {samples}: copy both from one build.")
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    place = columns.pop(PLACE, None)
    return EventFile(str(path), sequence, columns, place)
