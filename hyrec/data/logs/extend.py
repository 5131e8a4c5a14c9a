"""``extend``: an earlier build grows by new rows, and the ids that it gave stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from hyrec.data.logs.applied import ApplyReport
from hyrec.data.logs.apply import read_build, refuse_nothing, write_asked
from hyrec.data.logs.encode import Encoder
from hyrec.data.logs.layout import Layout
from hyrec.data.logs.output import data_set_folder, save_fitted
from hyrec.data.logs.reading import read_logs
from hyrec.data.logs.recipe_parts import LOG, RecipeError
from hyrec.data.logs.state import FOLDER, State
from hyrec.data.logs.vocabulary import Vocabulary
from hyrec.data.logs.writer import Store
from hyrec.feature import Feature
from hyrec.fingerprint import grown, latest
from hyrec.schema import Schema


def extend(
    built: str | Path,
    input_dir: str | Path,
    out_dir: str | Path,
    *,
    row_group_size: int = 8192,
    layout: Layout = "flat",
) -> ApplyReport:
    """Add labelled rows to a build: ``train.parquet`` holds them, and the vocabularies grow by their values.

    Values that the build does not know get the next ids, the most frequent first, if the new rows hold them as often as
    the recipe's ``min_count`` says. Ids that were given and dense transforms stay, so that a model of the build goes on
    training with ``hyrec fit --warm_start``. What is written is a build itself: :func:`apply` and :func:`extend` add to
    it. Rows without a label are left out.

    Args:
        built: Folder that :func:`build` or :func:`extend` has written.
        input_dir: Where the new files are, as for :func:`apply`.
        out_dir: Where the grown build goes; created when missing, its files replaced. Not ``built``.
        row_group_size: Rows of a Parquet row group.
        layout: How histories are stored, as for :func:`build`.

    Raises:
        RecipeError: When ``built`` is no build that can be used, or the files do not fit its recipe.
    """
    recipe, schema, vocabularies = read_build(Path(built))
    if recipe.negatives:
        raise RecipeError(
            f"--built {str(built)!r} draws negatives, which new rows would need, too: build it again from all logs. "
            "Rows to score go to 'hyrec data apply'."
        )
    out = Path(out_dir)
    if out.resolve() == Path(built).resolve():
        raise RecipeError(f"--out {str(out)!r} is the build itself, whose models need it. Name another folder.")
    with data_set_folder(out) as (folder, working):
        store = Store(working)
        state = State(Path(built) / FOLDER)
        logs = read_logs(recipe, Path(input_dir), store, built=state, keep=State(folder / FOLDER))
        refuse_nothing(logs)
        assert logs.asked is not None
        assert logs.input_row is not None
        labelled = logs.is_event[logs.asked]
        if not labelled.any():
            raise RecipeError(
                f"log.files: no row of {', '.join(logs.files[:3])} has a label, so there is nothing to learn from. "
                "Rows to score go to 'hyrec data apply'."
            )
        dropped = {**logs.dropped, "without a label": int((~labelled).sum())}
        asked, input_row = logs.asked[labelled], logs.input_row[labelled]
        by_time = np.argsort(asked, kind="stable")
        logs = replace(logs, asked=asked[by_time], input_row=input_row[by_time], dropped=dropped)
        learned = np.zeros(logs.rows.height, dtype=np.bool_)
        learned[asked] = True
        events = {LOG: learned} | {name: ~events.is_kept for name, events in logs.events.items()}
        seen = Encoder(recipe, logs, store, learned, events).vocabularies
        vocabularies = {table: of.grown(table, seen[table]) for table, of in vocabularies.items()}
        schema = _grown(schema, vocabularies)
        path = folder / "train.parquet"
        report = write_asked(recipe, logs, store, schema, vocabularies, path, row_group_size, layout)
        save_fitted(folder, recipe, schema, vocabularies)
        report.save(folder / "report.json")
        return report


def _grown(schema: Schema, vocabularies: dict[str, Vocabulary]) -> Schema:
    """Return the schema with the sizes of grown vocabularies, and their digests before those of what they were."""

    def resized(features: dict[str, Feature], sequence: str = "") -> dict[str, Feature]:
        tables = {name: schema.table_of(name, sequence) for name in features}
        return {
            name: replace(feature, vocab_size=vocabularies[tables[name]].size) if feature.kind != "dense" else feature
            for name, feature in features.items()
        }

    fingerprint = dict(schema.fingerprint)
    for table, vocabulary in vocabularies.items():
        if vocabulary.fingerprint != latest(fingerprint[table]):
            fingerprint[table] = grown(vocabulary.fingerprint, fingerprint[table])
    sequences = {name: replace(spec, features=resized(spec.features, name)) for name, spec in schema.sequences.items()}
    return replace(schema, features=resized(schema.features), sequences=sequences, fingerprint=fingerprint)
