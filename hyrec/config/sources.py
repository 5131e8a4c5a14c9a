"""Reads the command line before the parser is built: config files, plugins, the data's schema.

The parser needs all classes imported, and merging two schemas key by key would mix
two data sets. So plugins are loaded here, and so is the schema: the last one given counts as a whole.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hyrec import trust
from hyrec.config.shipped import SIMULATED, find_file, load_mapping
from hyrec.files import RefusedYAMLError, plain_value
from hyrec.messages import CommandError
from hyrec.plugins import discovery
from hyrec.schema import Schema, SchemaError

CONFIG_FLAGS = ("--config", "-c")


@dataclass(frozen=True)
class Source:
    """One place that options come from: a config as the user wrote it, or an option, whose key is split at dots."""

    name: str
    tree: dict[str, Any]


@dataclass
class Sources:
    """A command line, understood as far as it must be before parsing.

    Args:
        args: What the parser gets: configs without their schema, then the settled schema.
        trees: All places that options come from, the later ones stronger.
        config_paths: Config files in order, without the default data.
        plugins: Local plugins that were loaded.
    """

    args: list[str] = field(default_factory=list)
    trees: list[Source] = field(default_factory=list)
    config_paths: list[Path] = field(default_factory=list)
    plugins: list[str] = field(default_factory=list)

    @property
    def run_name(self) -> str:
        """Name of the run: that of its first config, or ``name`` in a saved config."""
        for source in reversed(self.trees):
            if source.tree.get("name"):
                return str(source.tree["name"])
        return self.config_paths[0].stem if self.config_paths else "run"

    @property
    def saved_run(self) -> Path | None:
        """Folder of the run that a config was saved in, when a config comes from a run."""
        for path in reversed(self.config_paths):
            if (path.parent / "checkpoints").is_dir():
                return path.parent
        return None


def read_sources(args: list[str]) -> Sources:
    """Find configs, load plugins and settle the schema of a command line without its subcommand.

    Raises:
        CommandError: For a config file that cannot be used.
        PluginError: For a local plugin that cannot be loaded.
        SchemaError: For a schema that cannot be used.
    """
    options = _split_options(args)
    out = Sources()
    files = [(value, load_mapping(value)) for key, value in options if key in CONFIG_FLAGS]
    out.config_paths = [find_file(value) for value, _ in files]
    named = [value for key, value in options if key == "--plugin"]
    local = [spec for name, tree in files for spec in _trusted_plugins(tree, name, named)]
    discovery.load()
    out.plugins = list(dict.fromkeys(discovery.load_local(spec) for spec in [*local, *named]))
    for spec in named:
        trust.remember(spec)
    options = [*_data_unless_named(options, [tree for _, tree in files]), *options]
    given: tuple[Any, str] | None = None  # the last schema and where it stands; those before it are not opened
    changes: list[tuple[str, Any]] = []
    for key, value in options:
        if key in CONFIG_FLAGS:
            tree = load_mapping(value)
            out.trees.append(Source(value, tree))
            if "schema" in tree:
                given, changes = (tree["schema"], value), []
            path = find_file(value).resolve()
            settled = {"schema", "plugins"} & set(tree)
            out.args.append(f"--config={_without(path.read_text(), settled) if settled else path}")
        elif key == "--schema":
            given, changes = (_value_of(key, value), key), []
        elif key.startswith("--schema."):
            changes.append((key.removeprefix("--schema."), _value_of(key, value)))
        elif key != "--plugin":
            out.args += [key] if value is None else [f"{key}={value}"]
            out.trees.append(Source(key, nest(key.lstrip("-"), _value_of(key, value))))
    schema = _schema_mapping(*given) if given else None
    for dotted, change in changes:
        schema = _override(schema, dotted, change)
    if schema is not None:
        out.args.append(f"--schema={json.dumps(dataclasses.asdict(Schema.from_dict(schema)))}")
    if out.plugins:
        out.args.append(f"--plugins={json.dumps(out.plugins)}")
    # The parser takes whatever follows a class's help for options of that class.
    out.args.sort(key=lambda argument: argument.partition("=")[0].endswith(".help"))
    return out


def _split_options(args: list[str]) -> list[tuple[str, Any]]:
    """Pair each option with its value; the value is None for a bare flag."""
    pairs: list[tuple[str, Any]] = []
    rest = list(args)
    while rest:
        token = rest.pop(0)
        if token == "-h":
            token = "--help"
        if not token.startswith("-") or token in ("-", "--"):
            raise CommandError(f"{token!r} is not an option. Options start with '--', as in --config FILE.")
        key, equals, value = token.partition("=")
        if equals:
            pairs.append((key, value))
        elif rest and not rest[0].startswith("--") and rest[0] not in CONFIG_FLAGS:
            pairs.append((key, rest.pop(0)))
        else:
            pairs.append((key, None))
        if key == "--ckpt_path" and pairs[-1][1]:
            several = [pairs.pop()[1]]
            while rest and not rest[0].startswith("-"):
                several.append(rest.pop(0))
            pairs.append((key, json.dumps(several) if len(several) > 1 else several[0]))
        if key in (*CONFIG_FLAGS, "--plugin", "--schema") and not pairs[-1][1]:
            raise CommandError(f"{key} needs a value, as in {key} {'PATH' if key != '--plugin' else 'MODULE'}.")
    return pairs


def _without(text: str, keys: set[str]) -> str:
    """Cut top-level keys out of YAML text; the rest stays as it is written, so it is read as it would be."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    entries = [key for key, _ in node.value]
    ends = [key.start_mark.index for key in entries[1:]] + [node.end_mark.index]
    for key, end in reversed(list(zip(entries, ends, strict=True))):
        if key.value in keys:
            text = text[: key.start_mark.index] + text[end:]
    return text if text.strip() else "{}"


def _value_of(key: str, text: str | None) -> Any:
    try:
        return None if text is None else plain_value(text)
    except RefusedYAMLError as error:
        raise CommandError(f"{key}: {error.problem}.") from error


def nest(dotted: str, value: Any) -> dict[str, Any]:
    """Return what an option says, as a file would."""
    tree: Any = value
    for key in reversed(dotted.split(".")):
        tree = {key: tree}
    return tree if isinstance(tree, dict) else {}


def _trusted_plugins(tree: Mapping[str, Any], name: str, named: list[str]) -> list[str]:
    """Return the local code that a config loads.

    Raises:
        UntrustedCodeError: For code that the user has never named with ``--plugin``, or that has changed since.
    """
    listed = tree.get("plugins") or []
    if not isinstance(listed, list) or not all(isinstance(spec, str) for spec in listed):
        raise CommandError(f"{name}: plugins must be a list of modules and paths, got {listed!r}.")
    for spec in listed:
        if spec not in named and not trust.is_trusted(spec):
            raise trust.UntrustedCodeError(
                f"{name} loads the code of {spec!r}, which you have not named with --plugin as it is now.\n"
                f"If you trust it, add --plugin {spec}"
            )
    return listed


def _data_unless_named(options: list[tuple[str, Any]], trees: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Return what names the data where nothing does: the simulated log, or files that a schema alone describes."""
    given = [value for key, value in options if key in ("--data", "--data.class_path")]
    found = (tree.get("data") for tree in trees)
    given += [data.get("class_path") if isinstance(data, dict) else data for data in found]
    names = [str(name) for name in given if name]
    has_schema = any("schema" in tree for tree in trees) or any(key == "--schema" for key, _ in options)
    if not has_schema and all(name.rpartition(".")[2] == "SimulatedData" for name in names):
        return [("--config", SIMULATED)]
    return [] if names else [("--data", "ParquetData")]


def _schema_mapping(value: Any, source: str) -> dict[str, Any]:
    """Return the mapping of a schema that is given as a mapping or as the path of its file."""
    if isinstance(value, str):
        try:
            value = load_mapping(value, "schema")
        except CommandError as error:
            raise error if source == "--schema" else CommandError(f"{source}: {error}") from error
        value = value.get("schema", value) if set(value) == {"schema"} else value
    if not isinstance(value, dict):
        raise CommandError(f"{source}: schema must be a file or a mapping, got {type(value).__name__}.")
    try:
        Schema.from_dict(value)
    except SchemaError as error:
        raise SchemaError(f"{source}: {error}") from error
    return value


def _override(schema: dict[str, Any] | None, dotted: str, value: Any) -> dict[str, Any]:
    """Set one key inside the schema, as in ``--schema.sequences.views.max_length 50``."""
    if schema is None:
        raise CommandError(f"--schema.{dotted} changes a schema, but none is given before it. Add --schema FILE.")
    schema = copy.deepcopy(schema)
    node, keys = schema, dotted.split(".")
    for key in keys[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise CommandError(f"--schema.{dotted}: {key!r} is a value and has no keys.")
    node[keys[-1]] = value
    Schema.from_dict(schema)
    return schema
