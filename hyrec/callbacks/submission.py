"""Predictions as one file of ids and scores, as competitions ask for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from hyrec.files import replaced
from hyrec.messages import unknown
from hyrec.parquet import read_parquet

FORMS = (".csv", ".json")
_SCORE, _ROW = "score_", "row"
_ROWS = 10_000


def check_submission(path: Path) -> None:
    """Refuse a file that could not be written, before anything is computed.

    Raises:
        ValueError: For a name that does not end in one of the ``FORMS``.
        FileExistsError: For a file that is there.
    """
    if path.suffix.lower() not in FORMS:
        raise ValueError(unknown(f"--submission {path} has the ending", path.suffix, FORMS))
    if path.exists():
        raise FileExistsError(f"{path} is there already. Remove it, or give another --submission.")


def write_submission(path: Path, parts: Sequence[Path], id_columns: Sequence[str]) -> None:
    """Write the ids and scores of prediction files in the order of the input.

    CSV has the id columns and a ``score_<task>`` each; JSON is ``{"predictions": {id: score}}`` by the first id column,
    with ``{task: score}`` in place of a score where there are several tasks. Without id columns the id is ``row``.

    Args:
        path: The file to write.
        parts: The Parquet files of a prediction pass.
        id_columns: The schema's.

    Raises:
        ValueError: For JSON, when an id is null or there twice, of which the file could hold one; the parts stay.
    """
    names = pa.unify_schemas([pa.parquet.read_schema(part) for part in parts]).names
    scores = [name for name in names if name.startswith(_SCORE) and name not in id_columns]
    ids = [name for name in id_columns if name in names] or [_ROW]
    read = list(dict.fromkeys([*ids, *scores, *([_ROW] if _ROW in names else [])]))
    table = pa.concat_tables(read_parquet(part, read) for part in parts)
    if _ROW in names and len(parts) > 1:
        table = table.sort_by(_ROW)
    if path.suffix.lower() == ".csv":
        with replaced(path) as partial:
            csv.write_csv(table.select([*ids, *scores]), partial)
        return
    _refuse_ambiguous(table.column(ids[0]), ids[0], parts[0].parent)
    with replaced(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write('{"predictions": {')
        for number, batch in enumerate(table.select([ids[0], *scores]).to_batches(_ROWS)):
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            entries = [f"{json.dumps(str(key))}: {_value(values, scores)}" for key, *values in rows]
            file.write((",\n" if number else "\n") + ",\n".join(entries))
        file.write("\n}}\n")


def _value(values: Sequence[float], scores: Sequence[str]) -> str:
    named = {name.removeprefix(_SCORE): value for name, value in zip(scores, values, strict=True)}
    return json.dumps(named if len(named) > 1 else values[0], allow_nan=False)


def _refuse_ambiguous(ids: pa.ChunkedArray, name: str, folder: Path) -> None:
    counts = pc.value_counts(ids)
    often = counts.filter(pc.greater(counts.field("counts"), 1))
    if ids.null_count or len(often):
        why = "one is null" if ids.null_count else f"{often[0]['values'].as_py()!r} is there more than once"
        raise ValueError(
            f"JSON holds one score for each {name}, and among the {len(ids):,} rows {why}: write the --submission as "
            f"CSV. All scores are in {folder}."
        )
