"""RecBole's atomic files: ``NAME.inter``, ``.user`` and ``.item``, whose headers say the type of every column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hyrec.data.drafting.columns import Kind
from hyrec.data.drafting.raw_table import RawTable, open_tables
from hyrec.data.drafting.recipe_draft import draft_tables
from hyrec.data.importing.imported import ImportedLog
from hyrec.data.importing.recipe_columns import columns_of
from hyrec.data.logs.recipe import Recipe
from hyrec.data.parquet.policy import DataError
from hyrec.files import read_yaml
from hyrec.mappings import read_mapping
from hyrec.messages import listed, suggest

_TYPES: dict[str, Kind] = {"token": "id", "token_seq": "multi_id", "float": "dense", "float_seq": "none"}
_SETTINGS = {
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "TIME_FIELD": "timestamp",
    "LABEL_FIELD": "label",
    "RATING_FIELD": "rating",
    "field_separator": "\t",
    "seq_separator": " ",
}
"""What RecBole assumes unless a config says otherwise."""
_SEPARATORS = ("\t", ",", ";", "|")


def import_recbole(folder: Path, out: Path) -> ImportedLog:
    """Draft a recipe for the atomic files of a folder, which are read where they lie.

    Tokens are ids, lists of tokens lists of ids, floats numbers: nothing of it is guessed. What the format does not say
    (the limit of a rating, the split, the time zone, what is known before an interaction) is guessed and marked. A
    config of RecBole beside the files (``NAME.yaml``) tells other names of fields and separators.

    Raises:
        DataError: For no ``.inter`` file or several, headers without types, and interactions without a user, item, time
            or label.
    """
    logs = sorted(folder.glob("*.inter"))
    if len(logs) != 1:
        there = listed([path.name for path in logs or sorted(folder.iterdir())], "There")
        raise DataError(f"{folder} needs one NAME.inter. {there} Join the parts of one data set to one file.")
    name = logs[0].stem
    settings, notes = _settings(folder / f"{name}.yaml")
    beside = [path for end in ("user", "item") if (path := folder / f"{name}.{end}").is_file()]
    _, opened = open_tables(map(str, [*logs, *beside]))
    tables = [_with_types(table, settings) for table in opened]
    log = next(table for table in tables if table.files[0].suffix == ".inter")
    given = {role: [_field(log, role, settings)] for role in ("user", "item", "time", "label")}
    draft = draft_tables(folder, tables, given)
    recipe = Recipe.from_dict(read_yaml(draft.text))
    mapped, left_out, read_files = columns_of(recipe, folder, draft.left_out)
    unused = [table for table in tables if table.pattern not in read_files]
    why = "the interactions refer to no unique column of its file"
    left_out += [(f"{table.pattern} {column}", why) for table in unused for column in table.columns]
    left_out += [
        (path.name, "hyrec reads no such file")
        for path in sorted(folder.glob(f"{name}.*"))
        if path not in (*logs, *beside) and path.suffix != ".yaml"
    ]
    read = {column for column, _ in mapped}
    notes += [f"No feature: {column}: {why}." for column, why in draft.left_out.items() if column in read]
    told = {what: (found, "" if why == "given" else f": {why}") for what, found, why in draft.decisions}
    notes += [f"Guessed: {what} {told[what][0]}{told[what][1]}." for what in ("label", "split")]
    notes.append(f"Look at the {draft.text.count('# CHECK:')} lines of the recipe with '# CHECK:' before you build.")
    return ImportedLog(
        origin=f"{folder} (RecBole, {name})",
        folder=folder,
        text=draft.text,
        mapped=mapped,
        left_out=left_out,
        notes=notes,
    )


def _settings(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return names of fields and separators, and what else a config says."""
    if not path.is_file():
        return _SETTINGS, []
    content = read_mapping(path, str(path), DataError)
    settings = {**_SETTINGS, **{key: value for key, value in content.items() if key in _SETTINGS}}
    if settings["field_separator"] not in _SEPARATORS:
        raise DataError(
            f"{path}: field_separator is {settings['field_separator']!r}. Columns may be parted by "
            f"{', '.join(map(repr, _SEPARATORS))}: write the files anew."
        )
    others = [key for key in content if key not in _SETTINGS]
    return settings, [f"Keys of {path.name} that say nothing here: {', '.join(map(str, others))}."] if others else []


def _with_types(table: RawTable, settings: dict[str, Any]) -> RawTable:
    """Return a table that takes the types of its header as they are; the time keeps what its values tell."""
    kinds: dict[str, tuple[Kind, str]] = {}
    for column in table.columns:
        field, _, kind = column.partition(":")
        if kind not in _TYPES:
            raise DataError(
                f"{table.pattern}: the column {column!r} has no type of RecBole.{suggest(kind, _TYPES)} Write "
                f"{field or 'NAME'}:TYPE with one of {', '.join(_TYPES)}."
            )
        if field != settings["TIME_FIELD"]:
            kinds[column] = _TYPES[kind], settings["seq_separator"] if kind == "token_seq" else ""
    return replace(table, declared=kinds)


def _field(log: RawTable, role: str, settings: dict[str, Any]) -> str:
    """Return the column of the interactions that is the user, item, time or label: a label, else a rating."""
    keys = {"user": ["USER_ID_FIELD"], "item": ["ITEM_ID_FIELD"], "time": ["TIME_FIELD"]}
    names = [settings[key] for key in keys.get(role, ["LABEL_FIELD", "RATING_FIELD"])]
    fields = {column.partition(":")[0]: column for column in log.columns}
    for name in names:
        if name in fields:
            return fields[name]
    remedy = "histories need the time of every interaction" if role == "time" else f"name it in {log.name}.yaml"
    if role == "label":
        remedy = (
            "without one they are positives: write a recipe with 'negatives' (hyrec data build --explain negatives)"
        )
    raise DataError(
        f"{log.pattern} has no {role} ({' or '.join(names)}).{suggest(names[0], fields)} "
        f"{listed(log.columns, 'Columns')} {remedy[0].upper()}{remedy[1:]}."
    )
