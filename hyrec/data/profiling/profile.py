"""A profile: all figures of a data set and what is suspicious about them."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from hyrec.data.parquet.decode import Decoder
from hyrec.data.parquet.policy import DataError, Policies
from hyrec.data.parquet.source import index_split
from hyrec.data.profiling.checks import (
    constant_findings,
    drift_findings,
    history_findings,
    split_findings,
    vocabulary_findings,
)
from hyrec.data.profiling.columns import Columns, describe_columns, num_rows
from hyrec.data.profiling.costs import TableCost, table_costs
from hyrec.data.profiling.drift import Drift, feature_drift, id_drift
from hyrec.data.profiling.figures import Lengths, Values, feature_values, length_figures, side_values
from hyrec.data.profiling.findings import Finding
from hyrec.data.profiling.labels import Rate, SplitFigures, describe_split, slices
from hyrec.data.profiling.leaks import Halves, feature_aucs, suspected
from hyrec.data.profiling.rows import SplitRows, read_rows
from hyrec.data.profiling.sources import Sources, as_parquet
from hyrec.schema import MISSING_ID, OOV_ID, Schema


@dataclass(frozen=True)
class FeatureFigures:
    """A feature, or side information of a sequence: what it is, what each split holds, and how it moved.

    Args:
        kind: As in the schema.
        role: Whose property it is; empty for side information.
        table: Its embedding table; empty for plain numbers.
        splits: Values by split.
        drift: Training against the last split. None without both.
    """

    kind: str
    role: str
    table: str
    splits: dict[str, Values]
    drift: Drift | None


@dataclass(frozen=True)
class Profile:
    """What a data set holds.

    Args:
        name: Folder, or the first of the files.
        max_rows: Most stored rows that were read of a split; 0 for all.
        zone: Time zone of days and moments: that of the recipe, where there is one.
        columns: Columns of files without a schema. None with one.
        splits: Figures by split.
        features: Figures by feature.
        lengths: Lengths of histories by sequence and split.
        sides: Figures of side information by ``sequence.side``.
        slices: Label rates by feature, split and value, of features with few ids.
        aucs: By task and input, the AUC of that input alone on held-out rows.
        held_out: Which rows those are; empty where there were too few of a label.
        compared: The split that training is compared with; empty without one.
        tables: Cost of each embedding table.
        epoch_bytes: What all training rows take at most once decoded.
        findings: What is suspicious, suspected leaks first.
    """

    name: str
    max_rows: int
    zone: str = "UTC"
    columns: Columns | None = None
    splits: dict[str, SplitFigures] = field(default_factory=dict)
    features: dict[str, FeatureFigures] = field(default_factory=dict)
    lengths: dict[str, dict[str, Lengths]] = field(default_factory=dict)
    sides: dict[str, FeatureFigures] = field(default_factory=dict)
    slices: dict[str, dict[str, list[Rate]]] = field(default_factory=dict)
    aucs: dict[str, dict[str, float]] = field(default_factory=dict)
    held_out: str = ""
    compared: str = ""
    tables: dict[str, TableCost] = field(default_factory=dict)
    epoch_bytes: int = 0
    findings: list[Finding] = field(default_factory=list)

    def to_json(self) -> str:
        """Return all of it as JSON; what is no number is null."""
        return json.dumps(_plain(asdict(self)), indent=1, allow_nan=False) + "\n"


def profile(sources: Sources, max_rows: int) -> Profile:
    """Profile a data set.

    Args:
        sources: Files and schema.
        max_rows: Most stored rows to read of a split, spread over its row groups; 0 reads all.

    Raises:
        DataError: For files and values that cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="hyrec-profile-") as folder:
        files = {
            n: [as_parquet(file, Path(folder), as_written=sources.schema is None) for file in listed]
            for n, listed in sources.splits.items()
        }
        if sources.schema is None:
            columns = describe_columns([f for part in files.values() for f in part], max_rows)
            return Profile(sources.name, max_rows, columns=columns)
        return _with_schema(sources, sources.schema, files, max_rows)


def _with_schema(sources: Sources, schema: Schema, files: dict[str, list[Path]], max_rows: int) -> Profile:
    rows: dict[str, SplitRows] = {}
    sizes, findings = {}, []
    for split, listed in files.items():
        if not sum(map(num_rows, listed)):
            findings.append(Finding("empty_split", split, 0.0, "it has no rows.", "Check the limits of the split."))
            continue
        index = index_split([str(file) for file in listed], Decoder(schema, Policies()))
        rows[split], sizes[split] = read_rows(split, index, schema, max_rows), index.decoded_bytes
    if not rows:
        raise DataError(f"{sources.name}: none of the splits ({', '.join(files)}) has a row.")
    first, last = next(iter(rows)), list(rows)[-1]
    halves = Halves.of(rows)
    aucs = feature_aucs(halves, schema)
    splits = {name: describe_split(part, schema, sources.zone) for name, part in rows.items()}
    features = _features(schema, rows)
    sides = _sides(schema, rows)
    drifts = {name: f.drift for name, f in (features | sides).items() if f.drift is not None}
    findings += [*split_findings(rows, splits, sources.zone), *history_findings(rows), *suspected(halves, schema, aucs)]
    findings += constant_findings({name: f.splits[first] for name, f in features.items()})
    findings += vocabulary_findings({name: f.splits[last] for name, f in (features | sides).items()}, last)
    findings += drift_findings(drifts, last, rows[last].num_rows)
    return Profile(
        sources.name,
        max_rows,
        zone=sources.zone,
        splits=splits,
        features=features,
        lengths={
            name: {s: length_figures(part.events[name].lengths, spec.max_length) for s, part in rows.items()}
            for name, spec in schema.sequences.items()
        },
        sides=sides,
        slices=_named_slices(sources, schema, rows),
        aucs=aucs,
        held_out=halves.held_name if aucs else "",
        compared=last if last != first else "",
        tables=table_costs(schema),
        epoch_bytes=sizes[first],
        findings=sorted(findings, key=lambda finding: not finding.is_leak),
    )


def _features(schema: Schema, rows: Mapping[str, SplitRows]) -> dict[str, FeatureFigures]:
    splits = list(rows)
    out = {}
    for name, feature in schema.features.items():
        values = {split: feature_values(part, name, feature) for split, part in rows.items()}
        drift = feature_drift(rows[splits[0]], rows[splits[-1]], name, feature) if len(splits) > 1 else None
        table = schema.table_of(name) if feature.is_embedded else ""
        out[name] = FeatureFigures(feature.kind, feature.role, table, values, drift)
    return out


def _sides(schema: Schema, rows: Mapping[str, SplitRows]) -> dict[str, FeatureFigures]:
    splits = list(rows)
    out = {}
    for sequence, spec in schema.sequences.items():
        described = {split: side_values(part.events[sequence]) for split, part in rows.items()}
        counts = [rows[split].events[sequence].sides for split in (splits[0], splits[-1])]
        for side, feature in spec.features.items():
            values = {split: sides[side] for split, sides in described.items() if side in sides}
            drift = None
            if len(splits) > 1 and all(side in one and one[side].total for one in counts):
                drift = id_drift(counts[0][side], counts[1][side])
            table = schema.table_of(side, sequence) if feature.is_embedded else ""
            out[f"{sequence}.{side}"] = FeatureFigures(feature.kind, "", table, values, drift)
    return out


def _named_slices(sources: Sources, schema: Schema, rows: Mapping[str, SplitRows]) -> dict[str, dict[str, list[Rate]]]:
    """Return the slices of every split by feature, with the values that ids stand for where they are known."""
    out: dict[str, dict[str, list[Rate]]] = {}
    for split, part in rows.items():
        for name, by_id in slices(part).items():
            words = _words(sources.vocabulary, schema.table_of(name), by_id)
            out.setdefault(name, {})[split] = [Rate(words[i], r.rows, r.rates) for i, r in by_id.items()]
    return out


def _words(vocabulary: Path | None, table: str, ids: Iterable[int]) -> dict[int, str]:
    words = {i: f"id {i}" for i in ids} | {MISSING_ID: "missing", OOV_ID: "out of vocabulary"}
    file = vocabulary / f"{table}.parquet" if vocabulary else None
    if file is not None and file.is_file():
        found = (
            pl.scan_parquet(file, glob=False).filter(pl.col("id").is_in(list(words))).select("id", "value").collect()
        )
        words |= {i: str(value) for i, value in found.iter_rows()}
    return words


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
