"""``build``: logs in, training Parquet and schema out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from hyrec.data.logs.counters import counter_values
from hyrec.data.logs.encode import Encoded, Encoder
from hyrec.data.logs.groups import Groups
from hyrec.data.logs.layout import Layout, lay_out
from hyrec.data.logs.negative_rule import REQUEST
from hyrec.data.logs.negatives import with_negatives
from hyrec.data.logs.output import data_set_folder, save_fitted
from hyrec.data.logs.reading import read_logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG, Column, RecipeError
from hyrec.data.logs.report import BuildReport, report_of
from hyrec.data.logs.roles import Roles, part
from hyrec.data.logs.sequences import sequence
from hyrec.data.logs.splitting import SPLITS, split_notes, with_moments
from hyrec.data.logs.state import FOLDER, State
from hyrec.data.logs.writer import ColumnReader, Store, column, write
from hyrec.files import digest
from hyrec.fingerprint import DENSE
from hyrec.mappings import plain_dataclass
from hyrec.schema import Schema, SchemaError, SequenceSpec


def build(
    recipe: Recipe,
    input_dir: str | Path,
    out_dir: str | Path,
    *,
    row_group_size: int = 8192,
    layout: Layout = "flat",
) -> BuildReport:
    """Turn logs into ``train.parquet``, ``validate.parquet``, ``test.parquet`` and ``schema.yaml``.

    Every row holds what was known strictly before its impression. Beside those files come ``vocabulary/``
    (value to id, by embedding table), ``_state/`` (what later rows must see of these), ``recipe.yaml`` and
    ``report.json``. The same input gives the same files.

    Args:
        recipe: How.
        input_dir: Where the files are that the recipe names.
        out_dir: Where the data set goes; created when missing, its files replaced.
        row_group_size: Rows of a Parquet row group.
        layout: Whether histories are lists of the rows or, with ``log``, stored once in ``events/``.

    Raises:
        RecipeError: When the logs do not fit the recipe.
    """
    with data_set_folder(Path(out_dir)) as (folder, working):
        return _build(recipe, Path(input_dir), folder, Store(working), row_group_size, layout)


def _build(
    recipe: Recipe, input_dir: Path, out: Path, store: Store, row_group_size: int, layout: Layout
) -> BuildReport:
    logs = read_logs(recipe, input_dir, store, keep=State(out / FOLDER))
    asked, recipe = recipe, with_moments(recipe, logs)
    told = split_notes(asked, recipe, logs)
    logs = with_negatives(recipe, logs)
    rows = part(recipe, logs)
    events_to_fit = {LOG: rows.is_event & (rows.split <= 0)}
    events_to_fit |= {name: events.time < rows.trained_until for name, events in logs.events.items()}
    encoder = Encoder(recipe, logs, store, (rows.split == 0) & logs.is_event, events_to_fit)
    groups = Groups(recipe, rows)
    encoded = encoded_features(recipe, rows, encoder, groups)
    sequences = {name: sequence(recipe, name, rows, encoder) for name in recipe.sequences}
    schema = replace(
        _schema(recipe, encoded, {name: spec for name, (spec, _, _) in sequences.items()}),
        fingerprint={table: vocabulary.fingerprint for table, vocabulary in sorted(encoder.vocabularies.items())},
    )
    schema = replace(schema, fingerprint={**schema.fingerprint, **_dense_digests(recipe, schema)})

    save_fitted(out, recipe, schema, encoder.vocabularies)
    columns = raw_columns(recipe, rows, store, groups)
    for name, of_feature in encoded.items():
        if of_feature.feature.column in columns:
            raise RecipeError(f"features.{name} and a column of the log would both be {of_feature.feature.column!r}.")
        columns[of_feature.feature.column] = column(of_feature.stored, of_feature.index)
    histories = {name: columns_of for name, (_, columns_of, _) in sequences.items()}
    lengths = {name: stats for name, (_, _, stats) in sequences.items()}
    report = report_of(recipe, rows, encoder, encoded, lengths, groups.told())
    report.notes[:0] = told
    split = rows.split
    del logs, rows, encoder, groups  # the files are written from what waits on the disk
    lists, ranges, events = lay_out(layout, out, histories)
    for number, name in enumerate(SPLITS):
        wanted = np.flatnonzero(split == number)
        write(out / f"{name}.parquet", wanted, columns | ranges, lists, schema.fingerprint, row_group_size, events)
    report.save(out / "report.json")
    return report


def encoded_features(recipe: Recipe, rows: Roles, encoder: Encoder, groups: Groups | None = None) -> dict[str, Encoded]:
    """Encode features and counters for the rows that are asked for."""
    encoded = {name: encoder.feature(name) for name in recipe.features}
    for counter, name, floats in counter_values(recipe, rows, groups):
        column = Column(kind="dense", transform=counter.transform, num_buckets=counter.num_buckets)
        feature = encoder.dense(column, floats, encoder.train_rows, counter.group, counter.role, f"f_{name}")
        encoded[name] = Encoded(feature, encoder.store.put(pa.array(floats, from_pandas=True)))
    return encoded


def _schema(recipe: Recipe, encoded: dict[str, Encoded], sequences: dict[str, SequenceSpec]) -> Schema:
    log = recipe.log
    try:
        return Schema(
            features={name: column.feature for name, column in encoded.items()},
            tasks={name: replace(task, column=recipe.labels[name]) for name, task in recipe.tasks.items()},
            sequences=sequences,
            groups=recipe.groups,
            group_column=recipe.group_column,
            time_column=log.time,
            time_unit=log.time_unit,
            id_columns=list(dict.fromkeys([log.user, log.item])),
        )
    except SchemaError as error:
        raise RecipeError(f"The recipe describes a schema that cannot be used: {error}") from error


def _dense_digests(recipe: Recipe, schema: Schema) -> dict[str, str]:
    """Return a digest of the transform of every dense feature, and of the rules of the counter that it comes from."""
    rules: dict[str, Any] = {}
    for name, counter in recipe.counters.items():
        rule = plain_dataclass(replace(counter, values=[], group="", role="user", transform="none", num_buckets=0))
        rules |= {f"features.{name}_{value}": yaml.safe_dump(rule) for value in counter.values}
    return {
        DENSE + place.removeprefix("features."): digest([f.transform, f.mean, f.std, f.boundaries, rules.get(place)])
        for place, _, f in schema.every_feature()
        if f.kind == "dense"
    }


def raw_columns(recipe: Recipe, rows: Roles, store: Store, groups: Groups) -> dict[str, ColumnReader]:
    """Return the columns that are written as they are: ids, time, group and labels (of new rows, if any is known)."""
    log, asked = recipe.log, rows.logs.asked_rows[0]
    values = {name: asked.column(name) for name in dict.fromkeys([log.user, log.item, log.time])}
    labels = {name: asked.column(name) for name in recipe.labels.values()}
    if rows.logs.asked is None or any(label.null_count() < len(label) for label in labels.values()):
        values |= labels
    if recipe.group_column in values and len(recipe.group_by) > 1:
        raise RecipeError(f"The groups would be the column {recipe.group_column!r}, which the log has already.")
    if recipe.negatives:
        values[REQUEST] = asked.column(REQUEST)
    group = groups.ids()
    values[recipe.group_column] = group if rows.logs.asked is None else group.gather(rows.logs.asked)
    return {name: column(store.put(values[name].rechunk().to_arrow())) for name in values}
