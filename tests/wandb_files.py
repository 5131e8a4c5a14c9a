"""Reads what an offline run of W&B has left on disk: the records that ``wandb sync`` would send.

W&B ships the record types and no reader in Python. The file is LevelDB's log format after a header of seven bytes:
blocks of 32 KiB, each record cut into pieces of checksum (4 bytes), length (2), kind (1) and content.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_HEADER, _BLOCK, _PIECE = 7, 32768, 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass
class OfflineRun:
    """One run as it was kept on disk.

    Args:
        folder: Its ``offline-run-<time>-<id>``.
    """

    folder: Path
    run_id: str = ""
    name: str = ""
    project: str = ""
    entity: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, dict[str, int]] = field(default_factory=dict)
    exit_code: int | None = None

    def curve(self, name: str) -> list[tuple[int, float]]:
        """Return step and value wherever a metric was logged."""
        return [(row["trainer/global_step"], row[name]) for row in self.history if name in row]


def offline_runs(folder: Path) -> list[OfflineRun]:
    """Return the offline runs below a folder, the oldest first."""
    return [read_run(path.parent) for path in sorted(folder.rglob("offline-run-*/run-*.wandb"))]


def read_run(folder: Path) -> OfflineRun:
    """Read one run's records in order."""
    from wandb.proto import wandb_internal_pb2 as pb

    run = OfflineRun(folder)
    (path,) = folder.glob("run-*.wandb")
    for content in _records(path.read_bytes()):
        record = pb.Record()
        record.ParseFromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.run_id, run.name, run.project = record.run.run_id, record.run.display_name, record.run.project
            run.group, run.job_type, run.entity = record.run.run_group, record.run.job_type, record.run.entity
            run.tags = list(record.run.tags)
            _merge(run.config, record.run.config.update)
        elif kind == "config":
            _merge(run.config, record.config.update)
        elif kind == "summary":
            _merge(run.summary, record.summary.update)
        elif kind == "history":
            row: dict[str, Any] = {}
            _merge(row, record.history.item)
            run.history.append(row)
        elif kind == "metric":
            run.metrics[record.metric.name or record.metric.glob_name] = record.metric
        elif kind == "artifact":
            entries = record.artifact.manifest.contents
            run.artifacts[record.artifact.type] = {entry.path: entry.size for entry in entries}
        elif kind == "exit":
            run.exit_code = record.exit.exit_code
    return run


def _merge(target: dict[str, Any], items: Any) -> None:
    for item in items:
        node, keys = target, list(item.nested_key) or [item.key]
        for key in keys[:-1]:
            node = node.setdefault(key, {})
        node[keys[-1]] = json.loads(item.value_json)


def _records(data: bytes) -> list[bytes]:
    assert data[:4] == b":W&B", data[:_HEADER]
    position, records, parts = _HEADER, [], []
    while position + _PIECE <= len(data):
        left = _BLOCK - position % _BLOCK
        if left < _PIECE:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + _PIECE])
        parts.append(data[position + _PIECE : position + _PIECE + length])
        position += _PIECE + length
        assert kind in (_FULL, _FIRST, _MIDDLE, _LAST), kind
        if kind in (_FULL, _LAST):
            records.append(b"".join(parts))
            parts = []
    return records
