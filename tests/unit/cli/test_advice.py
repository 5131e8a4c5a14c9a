"""Options and keys that messages name exist: whoever follows an advice is not told of another mistake."""

import argparse
import ast
import dataclasses
import inspect
import re
from pathlib import Path

import pytest
from lightning import Trainer

import hyrec
from hyrec.callbacks.checkpoint import BestCheckpoint
from hyrec.cli.arguments import StrictParser
from hyrec.cli.main import COMMANDS
from hyrec.config.parser import BUILTIN, parser_of
from hyrec.data.logs import Recipe
from hyrec.ranker import Ranker
from hyrec.schema import Schema
from hyrec.trust import options_of

PACKAGE = Path(hyrec.__file__).parent
OTHER_PROGRAMS = {"--error-unmatch", "--binary", "--others", "--exclude-standard", "--editable"}
"""Options of git and pip."""
CLASSES = {
    "model": [Ranker],
    "data": BUILTIN[:2],
    "trainer": [Trainer],
    "checkpoint": [BestCheckpoint],
    "schema": [Schema],
}
RECIPE = inspect.get_annotations(Recipe, eval_str=True)
NO_KEYS = {"schema.yaml", "schema.json", "data.yaml", "log.txt", "data.base", "data.tables", "data.base.RankingData"}
"""Files and modules."""


def texts():
    """Yield file, line and text of every literal that is no docstring."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        heads = (node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and node.body)
        docstrings = {id(head.value) for head in heads if isinstance(head, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield f"{path.relative_to(PACKAGE.parent)}:{node.lineno}", node.value


def named(pattern):
    return {(place, name.rstrip(".")) for place, text in texts() for name in re.findall(pattern, text)}


def options_of_commands(parser):
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])  # fills the parser
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from options_of_commands(child)


def keys_of(group):
    """Return the keys that may follow a first word; None for a word that is no group."""
    if group in CLASSES:
        return {"class_path", "init_args", "schema"}.union(*(options_of(cls) for cls in CLASSES[group]))
    if group == "base":
        return {"configs", "options"}
    hint = RECIPE.get(group)
    for cls in getattr(hint, "__args__", (hint,)):
        if dataclasses.is_dataclass(cls):
            return {f.name for f in dataclasses.fields(cls)}
    return None


def test_every_option_that_a_message_names_exists(capsys):
    parser = StrictParser(prog="hyrec")
    parser.actions("command", {name: filled for name, filled in COMMANDS.items() if "run_command" not in filled[0]})
    every = {*options_of_commands(parser), *(f"--{name}" for name in parser_of("fit").option_names)}
    every |= {"--plugin", "--help", "--version"} | OTHER_PROGRAMS
    assert not {found for found in named(r"(?<![\w-])--[a-z][\w-]*") if found[1] not in every}


def test_every_key_that_a_message_names_exists():
    wrong = set()
    for place, name in named(r"(?<![\w./-])[a-z]\w*\.[a-z_]\w*(?:\.\w+)*"):
        group, key, *_ = name.split(".")
        keys = None if name in NO_KEYS else keys_of(group)
        wrong |= {(place, name)} if keys is not None and key not in keys else set()
    assert not wrong


def test_the_keys_of_every_group_are_known():
    assert {"separator", "files"} <= keys_of("log") & keys_of("snapshot")
    assert {"validate_from"} <= keys_of("split")
    assert {"num_workers", "simulator"} <= keys_of("data")
