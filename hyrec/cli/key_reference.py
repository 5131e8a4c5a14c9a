"""The reference of recipes and schemas, from their dataclasses: what every key may hold, and what it means."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from hyrec.data.logs.recipe import Recipe
from hyrec.definition import read_docstring
from hyrec.files import yaml_line
from hyrec.messages import CommandError, listed, nearest
from hyrec.plain_text import table
from hyrec.schema import Schema

_WIDTH = 118
_PLAIN = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Any: "any value"}
_EXAMPLES: dict[str, Any] = {
    "files": ["shown.parquet", "shown_*.csv"], "user": "user_id", "item": "item_id", "time": "timestamp", "day": "date",
    "outcomes": ["is_click", "play_time"], "separator": "|", "column": "is_click", "value": 1, "key": "item_id",
    "on": "item_id", "last_time": "last_time", "before": "2022-04-25", "validate_from": "2022-05-03",
    "test_from": "2022-05-04", "train_from": "2022-04-25", "until": "2022-05-05", "source": "item", "per": "duration",
    "max_length": 50, "num_buckets": 16, "boundaries": [18.0, 25.0, 40.0], "group": "item_content", "table": "item",
    "keys": ["item_id"], "positive": [1.0], "group_by": ["user_id", "day"],
    "validate_share": 0.1, "test_share": 0.1, "leave_one_out": "user_id", "train": [0, 1, 2], "validate": [3],
    "test": [4], "split": {"validate_from": "2022-05-03", "test_from": "2022-05-04"}, "backoff": "item_clicks",
    "snapshot": "watched", "snapshot_positives": "liked", "snapshot_events": "watched",
    "groups": ["user", "item", "context"], "vocab_size": 1003, "hash_size": 100_000, "offset": 3, "min_count": 5,
    "unique": ["request_id", "item_id"], "derive": "cross",
    "columns": ["tab", "item.category"], "negatives": {"count": 4, "by": "popularity"},
    "weight_column": "tag_weights", "time_column": "time", "group_column": "user_id", "id_columns": ["user_id"],
    "log": "searches", "names": {"item_id": "product_id"},
    "delay": 60.0, "threshold": 3.0, "mean": 4.2, "std": 1.5, "fingerprint": {"item": "3ecb1b159e94fd23"},
}  # fmt: skip
"""Values in examples of keys whose default tells nothing."""
_CONDITION = "play_time_ms >= 10000"
_PLACED: dict[str, Any] = {"split.column": "fold"}
"""The same at places where a key of that name means another thing than elsewhere."""


class Key(NamedTuple):
    """One key of a recipe or schema.

    Args:
        path: Its place, without the names that the user gives: ``counters.refresh``.
        written: The same with them: ``counters.NAME.refresh``.
        hint: Its type.
        field: Its default.
        text: What its docstring says.
    """

    path: str
    written: str
    hint: Any
    field: dataclasses.Field[Any]
    text: str

    @property
    def section(self) -> Any:
        """The dataclass that it holds, also one by name or in a list; None for a plain value."""
        return next((part for part in _parts(self.hint) if dataclasses.is_dataclass(part)), None)

    @property
    def default(self) -> Any:
        """What holds when it is left out; ``MISSING`` when it has to be given."""
        return _default(self.field)


def explain(asked: str) -> str:
    """Return the overview, or what is known of a key (``log.time_unit``, ``counters.clicks.refresh``, ``refresh``).

    Raises:
        CommandError: For a key that does not exist.
    """
    root, prefix, path = (Schema, "schema", asked) if asked.split(".")[0] == "schema" else (Recipe, "", asked)
    keys = list(keys_of(root, prefix, prefix))
    if path in ("", "schema"):
        more = "" if prefix else "\nOf a schema.yaml: --explain schema."
        return (
            _overview(root, prefix, keys)
            + f"\n\nMore about one key: --explain {keys[1].path} (* has to be given).{more}"
        )
    path = _without_names(path, keys)
    found = [key for key in keys if key.path == path] or [
        key for key in keys if "." not in path and key.path.endswith(f".{path}")
    ]
    if not found:
        raise CommandError(_no_such_key(asked, path, keys))
    told: dict[str, list[Key]] = {}
    for key in found:
        told.setdefault(_about(key, keys), []).append(key)
    return "\n\n".join(
        "\n".join([", ".join(key.written for key in places), about, "", textwrap.indent(_example(places[0]), "  ")])
        for about, places in told.items()
    )


def keys_of(cls: Any, path: str, written: str) -> Iterator[Key]:
    """Walk through the keys of a dataclass and of those that it holds."""
    hints, texts = get_type_hints(cls), read_docstring(cls).options
    for field in dataclasses.fields(cls):
        here, seen = (".".join(filter(None, (start, field.name))) for start in (path, written))
        key = Key(here, seen, hints[field.name], field, texts.get(field.name, "").replace("``", ""))
        yield key
        if key.section:
            yield from keys_of(key.section, here, seen + (".NAME" if get_origin(key.hint) is dict else ""))


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint) if get_origin(hint) is not Literal else ():
        yield from _parts(part)


def sections_of(root: type, prefix: str, keys: list[Key]) -> Iterator[tuple[str, str, str, list[Key]]]:
    """Yield every section: its name, its text, the earlier section that has the same keys (or ""), and its keys."""
    sections = [("", prefix or "recipe", root, read_docstring(root).summary)]
    sections += [(key.path, key.written, key.section, key.text) for key in keys if key.section]
    first: dict[type, str] = {}
    for path, written, cls, text in sections:
        same = first.setdefault(cls, written)
        own = [key for key in keys if key.path.rpartition(".")[0] == (path or prefix)]
        yield (written, text, "", own) if same == written else (written, text, same, [])


def _overview(root: type, prefix: str, keys: list[Key]) -> str:
    """List every section with a line for each of its keys."""
    parts: list[str] = []
    for written, text, same, own in sections_of(root, prefix, keys):
        title = f"{written}: {_line(text)}"
        if same:
            parts.append(f"{title} Keys as of {same}.")
            continue
        names = [key.field.name + ("*" if key.default is dataclasses.MISSING else "") for key in own]
        lines = [[f"  {name}", _line(key.text)] for name, key in zip(names, own, strict=True)]
        parts.append(f"{title}\n" + table(lines[0], lines[1:]))
    return "\n\n".join(parts)


def _line(text: str) -> str:
    return textwrap.shorten(re.split(r"(?<=\.)\s", text)[0], _WIDTH - 22, placeholder=" ...")


def _without_names(path: str, keys: list[Key]) -> str:
    """Drop the names that a user gives: of ``counters.item_clicks.refresh`` the middle."""
    known, out = {key.path for key in keys}, ""
    by_name = {key.path for key in keys if get_origin(key.hint) is dict and key.section}
    parts = path.split(".")
    for i, part in enumerate(parts):
        below = f"{out}.{part}" if out else part
        if below in known or out not in by_name or i + 1 == len(parts):
            out = below
    return out


def _about(key: Key, keys: list[Key]) -> str:
    lines = [f"type     {in_words(key.hint)}"]
    lines.append(f"default  {default_in_words(key)}")
    if key.section:
        own = [k.field.name for k in keys if k.path.rpartition(".")[0] == key.path]
        lines.append(f"keys     {', '.join(own)}")
    lines += ["", *textwrap.wrap(key.text, _WIDTH)]
    return textwrap.indent("\n".join(lines), "  ", lambda line: bool(line.strip()))


def default_in_words(key: Key) -> str:
    """Say what holds when a key is left out."""
    if key.default is dataclasses.MISSING:
        return "none: it has to be given"
    return "empty" if key.section or key.default in ("", []) else yaml_line(key.default)


def in_words(hint: Any) -> str:
    """Say a type in plain words, with the values that it allows."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(yaml_line(value) for value in args)}"
    if origin is dict:
        return "a mapping from names to " + (in_words(args[1]) if args[1] not in _PLAIN else _PLAIN[args[1]])
    if origin is list:
        return f"a list, each {in_words(args[0])}"
    if type(None) in args:
        return in_words(args[0])
    if hasattr(hint, "from_text"):
        return f"a condition such as {_CONDITION}, or a mapping of keys to values"
    return _PLAIN.get(hint, "a mapping of keys to values")


def _example(key: Key) -> str:
    """Return the YAML of the key at its place."""
    path = key.written.removeprefix("schema.").split(".")
    value = example_value(key)
    for part in reversed(path[2:]):
        value = {part: value}
    if len(path) > 1:
        return f"{path[0]}:\n  {path[1]}: {yaml_line(value)}"
    between = "\n  " if isinstance(value, dict) else " "
    return f"{path[0]}:{between}{yaml_line(value)}"


def example_value(key: Key) -> Any:
    """Return a value that the key may hold at its place."""
    return _PLACED.get(key.path) or _example_value(key.field, key.hint)


def _example_value(field: dataclasses.Field[Any], hint: Any) -> Any:
    """Return a value that the key may hold, another than its default where that is possible."""
    origin, args = get_origin(hint), get_args(hint)
    if type(None) in args:
        return _example_value(field, args[0])
    if hasattr(hint, "from_text"):
        return _CONDITION
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        needed = [f for f in dataclasses.fields(hint) if f.default is f.default_factory is dataclasses.MISSING]
        return {f.name: _example_value(f, hints[f.name]) for f in needed} or _EXAMPLES.get(field.name, {})
    if origin is Literal:
        return next(value for value in reversed(args) if value != field.default)
    if origin in (dict, list) and dataclasses.is_dataclass(args[-1]):
        value = _example_value(field, args[-1])
        return [value] if origin is list else {"NAME": value}
    name = "group_by" if field.name == "group" and origin is list else field.name
    example = _EXAMPLES.get(name, _default(field))
    return [example] if origin is list and not isinstance(example, list) else example


def _no_such_key(asked: str, path: str, keys: list[Key]) -> str:
    """Say what the nearest key is, and which there are at this place."""
    parent, _, last = path.rpartition(".")
    siblings = [key for key in keys if key.path.rpartition(".")[0] == parent]
    near = nearest(last, [key.field.name for key in siblings]) if siblings else None
    found = f"{parent}.{near}".strip(".") if near else nearest(path, [key.path for key in keys])
    found = found or next((k.path for k in keys if k.field.name == nearest(last, [k.field.name for k in keys])), None)
    hint = f" Did you mean {found!r}?" if found else ""
    place = f"Keys of {parent}" if siblings and parent else "Keys"
    shown = siblings or [key for key in keys if "." not in key.path.removeprefix("schema.")]
    return f"There is no key {asked!r}.{hint} {listed([key.field.name for key in shown], place)}"
