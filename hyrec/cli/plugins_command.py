"""``hyrec plugins list | show | check | new``. ``list`` reads metadata and source files, importing nothing heavy."""

from __future__ import annotations

import dataclasses
import importlib
import json

from hyrec import plugins
from hyrec.cli.arguments import StrictParser
from hyrec.cli.errors import CommandError, listed
from hyrec.cli.table import table
from hyrec.plugin_source import SLOT_BASES
from hyrec.schema import suggest

ACTIONS = {
    "list": ("hyrec.cli.plugins_command", "installed plugins; with --components every class that a config can name"),
    "show": ("hyrec.cli.plugins_show", "one component, plugin or slot: options, tensors, YAML"),
    "check": ("hyrec.cli.plugins_check", "whether a component, or all of a plugin, obeys the contract"),
    "new": ("hyrec.cli.plugins_new", "write a complete package that brings a component"),
}
"""Module and one-line description of every action."""
SLOTS = tuple(dict.fromkeys(SLOT_BASES.values()))


def run(arguments: list[str]) -> int:
    """Run ``hyrec plugins ...``.

    Args:
        arguments: ``plugins``, the action and its options.
    """
    action = arguments[1] if len(arguments) > 1 else ""
    if action in ("", "-h", "--help"):
        print("usage: hyrec plugins ACTION [options]\n")
        print("\n".join(f"  {name:<8}{text}" for name, (_, text) in ACTIONS.items()))
        return 0
    if action not in ACTIONS:
        raise CommandError(
            f"There is no 'hyrec plugins {action}'.{suggest(action, ACTIONS)} {listed(ACTIONS, 'Actions')}"
        )
    if action == "list":
        return _list(arguments[2:])
    code: int = importlib.import_module(ACTIONS[action][0]).run(arguments[2:])
    return code


def _list(arguments: list[str]) -> int:
    parser = StrictParser(prog="hyrec plugins list", description="List installed plugins.")
    parser.add_argument("--slot", help="only what fills this slot")
    parser.add_argument("--tag", help="only what carries this tag")
    parser.add_argument("--components", action="store_true", help="list classes, hyrec's too; imports them")
    parser.add_argument("--json", action="store_true", help="write JSON")
    options = parser.read(arguments)
    if options.slot and options.slot not in SLOTS:
        raise CommandError(f"There is no slot {options.slot!r}.{suggest(options.slot, SLOTS)} {listed(SLOTS, 'Slots')}")
    print((_components if options.components else _plugins)(options.slot, options.tag, options.json))
    return 0


def _plugins(slot: str | None, tag: str | None, as_json: bool) -> str:
    found = [
        plugin
        for plugin in plugins.discover()
        if (not slot or slot in plugin.slots) and (not tag or tag in plugin.tags)
    ]
    if as_json:
        return json.dumps(
            [{**dataclasses.asdict(plugin), "slots": plugin.slots, "tags": plugin.tags} for plugin in found],
            indent=1,
        )
    if not found:
        which = " of that kind" if slot or tag else ""
        return f"No plugins{which} are installed: no package has an entry point in '{plugins.GROUP}'."
    rows = [[p.name, f"{p.distribution} {p.version}", p.state, ", ".join(p.slots), ", ".join(p.tags)] for p in found]
    notes = [f"{p.name}: {p.error}" for p in found if p.error]
    notes += [f"{p.name} ({p.distribution}): {clash}" for p in found for clash in p.clashes]
    return "\n".join([table(["plugin", "from", "state", "slots", "tags"], rows), *notes])


def _components(slot: str | None, tag: str | None, as_json: bool) -> str:
    from hyrec.cli.plugins_catalogue import Catalogue

    catalogue = Catalogue.load()
    entries = catalogue.of_slot(slot) if slot else catalogue.entries
    found = [entry for entry in entries if not tag or tag in entry.tags]
    if as_json:
        return json.dumps([entry.as_dict() for entry in found], indent=1)
    rows = [[e.slot, e.name, e.paper, e.status, e.distribution] for e in found]
    return "\n".join([table(["slot", "class", "paper", "status", "from"], rows), *plugins.failures()])
