"""``hyrec plugins new``: writes a complete package that brings one component."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template

from hyrec import __version__
from hyrec.cli.arguments import StrictParser
from hyrec.messages import CommandError, listed, suggest
from hyrec.plugins import discovery
from hyrec.plugins.source import declared_classes

TEMPLATES = Path(__file__).parents[1] / "plugins" / "templates"
PREFIX = "hyrec-"
"""What the names of plugins start with by custom; it is no part of the class name."""


@dataclass(frozen=True)
class Kind:
    """What is written for a slot.

    Args:
        suffix: What class names of the slot end with.
        words: What a component of the slot is called.
        options: Options of the generated class in the generated config, as YAML.
    """

    suffix: str
    words: str
    options: str


KINDS = {
    "tokenizer": Kind("Tokens", "tokenizer", "{dropout: 0.1}"),
    "queries": Kind("Queries", "query generator", "{num_queries: 1}"),
    "encoder": Kind("Encoder", "sequence encoder", "{kernel_size: 4}"),
    "decoder": Kind("Decoder", "query decoder", "{expansion: 2}"),
    "mixer": Kind("Mixer", "token mixer", "{token_expansion: 2, expansion: 2}"),
    "backbone": Kind("Backbone", "backbone", "{num_layers: 2}"),
    "head": Kind("Head", "head", "{hidden: 32}"),
    "loss": Kind("Loss", "loss", "{focus: 1.0}"),
    "data": Kind("Data", "data set", "{max_history: 50, batch_size: 32}"),
}
"""What can be written, by slot, in the order in which a config lists the slots."""

_PARTS = {
    "tokenizer": "{class_path: GroupedTokens}",
    "queries": "{class_path: GlobalQueries}",
    "encoder": "{class_path: LongerEncoder, init_args: {num_recent: 8, num_heads: 2, expansion: 1}}",
    "decoder": "{class_path: CrossAttentionDecoder, init_args: {num_heads: 2}}",
    "mixer": "{class_path: RankMixer, init_args: {expansion: 1, residual: single, norm: pre}}",
    "backbone": "{class_path: AlternatingBackbone, init_args: {num_layers: 2}}",
    "head": "{class_path: MLPHead, init_args: {hidden: [32]}}",
    "loss": "{class_path: BCELoss}",
    "data": "{class_path: SimulatedData, init_args: {simulator: {num_requests: 40000}}}",
}
"""What the generated config names in the slots that the package does not fill."""


def configure(parser: StrictParser) -> None:
    """Add the options."""
    parser.description = "Write a complete package that brings a component: code, config, tests, README."
    parser.epilog = "example: hyrec plugins new hyrec-gated --slot mixer"
    parser.add_argument("name", help="name of the distribution, such as hyrec-gated")
    parser.add_argument("--slot", help=f"what it brings (needed): {', '.join(KINDS)}")
    parser.add_argument("--dir", default=".", help="folder that the package's folder is made in; default: here")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run ``hyrec plugins new``.

    Args:
        options: Its options.
    """
    if not options.slot:
        raise CommandError(f"Add --slot SLOT to say what {options.name!r} brings. {listed(KINDS, 'Slots')}")
    if options.slot not in KINDS:
        raise CommandError(f"There is no slot {options.slot!r}.{suggest(options.slot, KINDS)} {listed(KINDS, 'Slots')}")
    files = render(options.name, options.slot)
    folder = Path(options.dir).expanduser()
    if not folder.is_dir():
        raise CommandError(f"--dir {options.dir!r} is no folder. Make it first, or leave --dir out to write here.")
    target = folder / options.name
    if target.exists():
        raise CommandError(f"{target} exists already, and nothing is overwritten. Choose another name or --dir.")
    for path, text in files.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    print(f"Written to {target}:\n" + "\n".join(f"  {path}" for path in files))
    package, entry = _package(options.name), _entry(options.name)
    print(
        f"\nNext:\n  cd {target}\n  python -m pip install --editable .\n  python -m pytest\n"
        f"  hyrec plugins check {options.name}\n  hyrec fit --config pkg:{package}/{entry}.yaml"
    )
    return 0


def render(name: str, slot: str) -> dict[str, str]:
    """Return the files of a package by their paths.

    Args:
        name: Name of the distribution.
        slot: Slot that its component fills.

    Raises:
        CommandError: For a name that cannot be used, or that something installed has.
    """
    _check_name(name)
    package, entry, class_name = _package(name), _entry(name), _class_name(name, slot)
    _check_free(name, package, entry, class_name)
    kind = KINDS[slot]
    major, minor = __version__.split(".")[:2]
    values = {
        "distribution": name,
        "package": package,
        "entry": entry,
        "module": slot,
        "class_name": class_name,
        "words": kind.words,
        "hyrec_versions": f">={major}.{minor},<{major}.{int(minor) + 1}",
        "duration": _duration(slot),
        "config": _config(package, entry, slot, class_name),
        "usage": _usage(package, slot, class_name),
    }
    sources = {
        "pyproject.toml": "pyproject.toml.tmpl",
        "README.md": "README.md.tmpl",
        f"{package}/__init__.py": "package/__init__.py.tmpl",
        f"{package}/{slot}.py": f"{slot}/component.py.tmpl",
        f"{package}/{entry}.yaml": "package/config.yaml.tmpl",
        f"tests/test_{entry}.py": f"{slot}/test.py.tmpl",
    }
    if slot == "data":
        sources |= {f"{package}/schema.yaml": "data/schema.yaml.tmpl", f"{package}/sample.csv": "data/sample.csv"}
    files = {path: (TEMPLATES / source).read_text(encoding="utf-8") for path, source in sources.items()}
    return {
        path: Template(text).substitute(values) if sources[path].endswith(".tmpl") else text
        for path, text in files.items()
    }


def _config(package: str, entry: str, slot: str, class_name: str) -> str:
    """Return the config of a small model with the new class in its slot."""
    own = f"class_path: {class_name}", f"init_args: {KINDS[slot].options}"
    model = []
    for part in KINDS:
        if part != "data":
            model += (
                [f"    {part}:", *(f"      {line}" for line in own)]
                if part == slot
                else [f"    {part}: {_PARTS[part]}"]
            )
    head = [
        f"# {class_name} in a small model: a run takes {_duration(slot)}.",
        f"#   hyrec fit --config pkg:{package}/{entry}.yaml",
    ]
    data = [f"data: {_PARTS['data']}"]
    if slot == "data":
        head += [f"schema: pkg:{package}/schema.yaml"]
        data = ["data:", *(f"  {line}" for line in own)]
    above = [
        "model:",
        "  class_path: Ranker",
        "  init_args:",
        "    d_model: 32",
        "    pad_tokens: true",
        "    embedding: {dim: 8}",
    ]
    below = ["trainer:", "  max_epochs: 1", "  accelerator: cpu", "  devices: 1", "  gradient_clip_val: 10.0"]
    return "\n".join([*head, *above, *model, *data, *below])


def _duration(slot: str) -> str:
    return "some seconds" if slot == "data" else "about a minute"


def _usage(package: str, slot: str, class_name: str) -> str:
    if slot == "data":
        config = f"--config pkg:hyrec/hyformer.yaml --schema pkg:{package}/schema.yaml --data {class_name}"
        return (
            f"Any model trains on it, for example HyFormer:\n\n```bash\nhyrec fit {config}\n```\n\n"
            f"For a log of your own, copy `{package}/schema.yaml`, write the moments of its split into the copy, "
            "and add\n`--schema copy.yaml --data.log log.csv`."
        )
    return (
        "Any model can use it, for example HyFormer on hyrec's simulated log:\n\n"
        f"```bash\nhyrec fit --config pkg:hyrec/hyformer.yaml --model.init_args.{slot} {class_name}\n```"
    )


def _check_name(name: str) -> None:
    """Refuse what is no name of a distribution whose package can be imported."""
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name):
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").lstrip("0123456789-")
        hint = f" Did you mean {near!r}?" if near else ""
        raise CommandError(
            f"{name!r} is no name for a package: use lower-case letters, digits and hyphens, a letter first.{hint}"
        )
    package = _package(name)
    if keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise CommandError(f"{name!r} is a name of Python itself. Did you mean {PREFIX + name!r}?")


def _check_free(name: str, package: str, entry: str, class_name: str) -> None:
    """Refuse a name that an installed package, plugin or component has."""
    if importlib.util.find_spec(package) is not None:
        raise CommandError(f"There is an installed package {package!r} already. Choose another name than {name!r}.")
    for plugin in discovery.discover():
        if plugin.name == entry:
            raise CommandError(
                f"There is a plugin {entry!r} already, of {plugin.distribution}. Choose another name than {name!r}."
            )
        if any(cls.name == class_name for cls in plugin.classes):
            raise CommandError(
                f"{plugin.distribution} has a {class_name!r} already. Choose another name than {name!r}."
            )
    own = declared_classes(sorted(Path(__file__).parents[1].rglob("*.py")))
    if any(cls.name == class_name for cls in own):
        raise CommandError(f"hyrec has a {class_name!r} already. Choose another name than {name!r}.")


def _package(name: str) -> str:
    return name.replace("-", "_")


def _entry(name: str) -> str:
    return _package(name.removeprefix(PREFIX))


def _class_name(name: str, slot: str) -> str:
    """Return the class name: the words of the name without ``hyrec``, then what the slot's classes are called."""
    suffix = KINDS[slot].suffix
    stem = "-".join(re.split(r"[-_]", name.removeprefix(PREFIX)))
    for ending in (suffix.lower(), slot):
        stem = stem.removesuffix(ending).rstrip("-")
    if not stem or name == PREFIX.rstrip("-"):
        raise CommandError(f"{name!r} does not say which {KINDS[slot].words} it brings, as {PREFIX}gated does.")
    return "".join(word[0].upper() + word[1:] for word in stem.split("-")) + suffix
