"""The reference pages, from what the program itself reads: dataclasses, the catalogue of classes, shipped configs."""

from __future__ import annotations

import dataclasses
import html
import inspect
import re
from collections.abc import Iterable
from pathlib import Path

from hyrec.cli.key_reference import Key, default_in_words, example_value, in_words, keys_of, sections_of
from hyrec.config.shipped import find_file, shipped_configs
from hyrec.data.logs.recipe import Recipe
from hyrec.definition import read_docstring
from hyrec.files import yaml_line
from hyrec.plugins.catalogue import Catalogue, options_of
from hyrec.plugins.describe import default_as_yaml, snippet
from hyrec.plugins.slot_table import SLOT_TABLE
from hyrec.ranker import Ranker
from hyrec.schema import Schema


def model() -> str:
    """What a model is, as the README tells it."""
    readme = Path(__file__).parents[2] / "README.md"
    return (
        readme.read_text(encoding="utf-8")
        .partition("## What a model is\n")[2]
        .partition("\n## ")[0]
        .rpartition(" [")[0]
    )


def recipe() -> str:
    """Every key of a recipe."""
    return _keys(Recipe, "")


def schema() -> str:
    """Every key of a schema.yaml."""
    return _keys(Schema, "schema")


def components() -> str:
    """Every class that a config can name, by slot, with its options."""
    catalogue = Catalogue.load()
    parts = ["## model\n", _class("Ranker", Ranker, "")]
    for slot, row in SLOT_TABLE.items():
        parts.append(f"## {slot}\n\n{_text(read_docstring(row.base_class()).summary) if slot != 'callback' else ''}\n")
        for entry in catalogue.of_slot(slot):
            if entry.package == "hyrec":
                in_yaml = f"```yaml\n{snippet(catalogue, entry)}\n```\n"
                parts.append(_class(entry.name, entry.cls, entry.facts["paper"]) + "\n" + in_yaml)
    return "\n".join(parts)


def configs() -> str:
    """The shipped configs, each with what the first sentence of its file says."""
    names = sorted(shipped_configs(), key=lambda name: (name.count("/"), name))
    rows = [[f"`{name.removeprefix('pkg:hyrec/')}`", _first_sentence(name)] for name in names]
    return _table(["config", "what it is"], rows)


def _keys(root: type, prefix: str) -> str:
    parts: list[str] = []
    for written, text, same, own in sections_of(root, prefix, list(keys_of(root, prefix, prefix))):
        title = f"### {written}\n\n{_text(text)}\n"
        if same:
            parts.append(f"{title}\nKeys as of [`{same}`](#{_anchor(same)}).\n")
            continue
        parts += [title, _table(["key", "what it says", "example"], [_row(key) for key in own])]
    return "\n".join(parts)


def _row(key: Key) -> list[str]:
    name, text = f"`{key.field.name}`", _text(key.text)
    if key.section:
        return [f"[{name}](#{_anchor(key.written)})", text, ""]
    kind = _text(in_words(key.hint))
    needed = key.default is dataclasses.MISSING
    default = "needed" if needed else f"default {_code(default_in_words(key))}"
    example = yaml_line({key.field.name: example_value(key)})[1:-1]
    return [name, f"{text} *{kind[0].upper()}{kind[1:]};* {default}.", _code(example)]


def _class(name: str, cls: type, paper: str) -> str:
    doc = read_docstring(cls)
    rows = []
    for option, parameter in options_of(cls).items():
        value = parameter.default
        default = "" if inspect.isfunction(value) else _code(default_as_yaml(value))
        needed = value is inspect.Parameter.empty
        rows.append([f"`{option}`", "**needed**" if needed else default, _text(doc.options.get(option, ""))])
    text = f"### {name}\n\n{_text(doc.description)}{f' *{paper}*' if paper else ''}\n"
    return f"{text}\n{_table(['option', 'default', 'what it says'], rows)}" if rows else text


def _first_sentence(name: str) -> str:
    comment = []
    for line in find_file(name, "config").read_text(encoding="utf-8").splitlines():
        if not line.startswith("# ") or line.startswith("#   "):  # the end, or commands
            break
        comment.append(line.removeprefix("#").strip())
    return _text(re.split(r"(?<=\.)\s", " ".join(comment))[0].rstrip(":."))


def _anchor(written: str) -> str:
    return re.sub(r"[^\w-]", "", written.lower())


def _text(text: str) -> str:
    """Write plain text, with its ``code``, as Markdown in which nothing else is markup."""
    parts = re.split(r"``?([^`]+)``?", text)
    return "".join(_code(part) if i % 2 else re.sub(r"([*_\[\]<>{}\\])", r"\\\1", part) for i, part in enumerate(parts))


def _code(text: str) -> str:
    return f"<code>{html.escape(text)}</code>" if "|" in text or "`" in text else f"`{text}`"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    cells = [" | ".join(" ".join(cell.split()).replace("|", "&#124;") for cell in row) for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {line} |" for line in cells)]) + "\n"
