"""``apply``: new rows as an earlier build would have encoded them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from hyrec.data.logs.applied import ApplyReport, applied_report
from hyrec.data.logs.builder import encoded_features, raw_columns
from hyrec.data.logs.encode import Encoder
from hyrec.data.logs.files import guarded
from hyrec.data.logs.groups import Groups
from hyrec.data.logs.layout import Layout, lay_out
from hyrec.data.logs.negatives import with_known_positives
from hyrec.data.logs.output import data_set_folder
from hyrec.data.logs.reading import Logs, read_logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG, RecipeError
from hyrec.data.logs.roles import part
from hyrec.data.logs.sequences import sequence
from hyrec.data.logs.state import FOLDER, State
from hyrec.data.logs.state import LOG as BUILT_LOG
from hyrec.data.logs.vocabulary import Vocabulary
from hyrec.data.logs.writer import Store, column, write
from hyrec.fingerprint import DENSE, is_table, latest
from hyrec.messages import suggest
from hyrec.schema import Schema

FILE, INPUT_ROW = "predict.parquet", "input_row"


def apply(
    built: str | Path,
    input_dir: str | Path,
    out_dir: str | Path,
    *,
    row_group_size: int = 8192,
    layout: Layout = "flat",
) -> ApplyReport:
    """Encode new rows with the vocabularies of a build, into ``predict.parquet`` for ``hyrec predict``.

    A row sees what happened strictly before its time: the rows of the build's logs, the new rows that have a label, and
    the events of event logs, those of the build and those of new files where there are any. Rows without labels are
    impressions to score and no events. All else is as the build's recipe says, and nothing is fitted. The rows keep the
    order of the files; ``input_row`` is the place of each in them, from 0 on.

    Args:
        built: Folder that :func:`build` has written.
        input_dir: Where the new files are, named as the recipe names them. Outcomes may be missing, and so may tables:
            the build's serve. Rows of a table that is given again take the place of those with their key.
        out_dir: Where ``predict.parquet``, ``schema.yaml`` and ``report.json`` go; created when missing, its files
            replaced.
        row_group_size: Rows of a Parquet row group.
        layout: How histories are stored, as for :func:`build`, of whatever layout ``built`` is.

    Raises:
        RecipeError: When ``built`` is no build that can be used, or the files do not fit its recipe.
    """
    recipe, schema, vocabularies = read_build(Path(built))
    out = Path(out_dir)
    if (out / "train.parquet").is_file():
        raise RecipeError(f"--out {str(out)!r} is a data set, which would be lost. Name another folder.")
    with data_set_folder(out) as (folder, working):
        store = Store(working)
        logs = read_logs(recipe, Path(input_dir), store, built=State(Path(built) / FOLDER))
        refuse_nothing(logs)
        logs = with_known_positives(recipe, logs)
        report = write_asked(recipe, logs, store, schema, vocabularies, folder / FILE, row_group_size, layout)
        schema.save(folder / "schema.yaml")
        report.save(folder / "report.json")
        return report


def write_asked(
    recipe: Recipe,
    logs: Logs,
    store: Store,
    schema: Schema,
    vocabularies: dict[str, Vocabulary],
    path: Path,
    row_group_size: int,
    layout: Layout,
) -> ApplyReport:
    """Encode the rows that are asked for with what an earlier build has fitted, and write them."""
    assert logs.asked is not None
    assert logs.input_row is not None
    rows, none_fits = part(recipe, logs), np.zeros(logs.rows.height, dtype=np.bool_)
    none_fit = {name: np.zeros(len(rows.history(name).time), dtype=np.bool_) for name in (LOG, *logs.events)}
    fitted = {feature.column: feature for _, _, feature in schema.every_feature()}
    encoder = Encoder(recipe, logs, store, none_fits, none_fit, vocabularies, fitted)
    encoded = encoded_features(recipe, rows, encoder)
    sequences = {name: sequence(recipe, name, rows, encoder) for name in recipe.sequences}
    columns = {INPUT_ROW: column(store.put(pa.array(logs.input_row)))}
    columns |= raw_columns(recipe, rows, store, Groups(recipe, rows))
    columns |= {of.feature.column: column(of.stored, of.index) for of in encoded.values()}
    histories = {name: columns_of for name, (_, columns_of, _) in sequences.items()}
    lengths = {name: stats for name, (_, _, stats) in sequences.items()}
    report = applied_report(recipe, logs, encoded, lengths)
    num_rows = len(logs.asked)
    del logs, rows, encoder  # the file is written from what waits on the disk
    lists, ranges, events = lay_out(layout, path.parent, histories)
    write(path, np.arange(num_rows), columns | ranges, lists, schema.fingerprint, row_group_size, events)
    return report


def read_build(built: Path) -> tuple[Recipe, Schema, dict[str, Vocabulary]]:
    """Return what a build has fitted.

    Raises:
        RecipeError: For a folder that is no build, and for a build that later rows cannot be added to.
    """
    if not built.is_dir():
        near = [str(path) for path in built.parent.iterdir() if path.is_dir()] if built.parent.is_dir() else []
        raise RecipeError(f"There is no folder --built {str(built)!r}.{suggest(str(built), near)}")
    if absent := [name for name in ("schema.yaml", "recipe.yaml", "vocabulary") if not (built / name).exists()]:
        raise RecipeError(
            f"--built {str(built)!r} is no folder that 'hyrec data build' has written: it has no {absent[0]}."
        )
    if not State(built / FOLDER).has(BUILT_LOG):
        raise RecipeError(
            f"--built {str(built)!r} has no {FOLDER}/, without which new rows cannot see what came before them: an "
            "earlier version of hyrec built it.\nBuild it again with 'hyrec data build' from its logs: ids stay the "
            "same, and checkpoints fit."
        )
    recipe, schema = Recipe.load(built / "recipe.yaml"), Schema.load(built / "schema.yaml")
    _refuse_other_parts(built, recipe, schema)
    vocabularies = {}
    for table in filter(is_table, schema.fingerprint):
        path = built / "vocabulary" / f"{table}.parquet"
        vocabularies[table] = guarded(path, "Parquet", Vocabulary.load, path)
        if vocabularies[table].fingerprint != latest(schema.fingerprint[table]):
            raise RecipeError(f"{path} is of another build than schema.yaml beside it: its ids mean other values.")
    return recipe, schema, vocabularies


def refuse_nothing(logs: Logs) -> None:
    """Refuse new files of which no row can be used, with the reasons."""
    assert logs.asked is not None
    if not len(logs.asked):
        reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in logs.dropped.items() if rows)
        raise RecipeError(f"log.files: no row of {', '.join(logs.files[:3])} can be used: {reasons}.")


def _refuse_other_parts(built: Path, recipe: Recipe, schema: Schema) -> None:
    """Refuse a recipe and a schema that are not of one build, or were changed by hand."""
    written = {place: table for place, table, _ in schema.every_feature()}
    asked = {f"features.{name}": spec.table or name for name, spec in recipe.features.items()}
    for name, counter in recipe.counters.items():
        asked |= {f"features.{name}_{value}": f"{name}_{value}" for value in counter.values}
    for kind, events in recipe.sequences.items():
        for name, spec in events.features.items():
            asked[f"sequences.{kind}.features.{name}"] = spec.table or f"{kind}.{name}"
    if differ := sorted({*asked.items()} ^ {*written.items()}):
        raise RecipeError(
            f"{built / 'recipe.yaml'} and schema.yaml beside it are not of one build: {differ[0][0]} differs."
        )
    for place, table, feature in schema.every_feature():
        if (table if feature.kind != "dense" else DENSE + place.removeprefix("features.")) not in schema.fingerprint:
            raise RecipeError(
                f"{built / 'schema.yaml'} has no fingerprint of {place}, so that its ids and numbers may be those of "
                "any build. Build it again with 'hyrec data build' from its logs."
            )
