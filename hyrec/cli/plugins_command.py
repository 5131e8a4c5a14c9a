"""``hyrec plugins list | show | check | new``. ``list`` reads metadata and source files, importing nothing heavy."""

from __future__ import annotations

import argparse
import dataclasses
import json

from hyrec.cli.arguments import StrictParser
from hyrec.messages import CommandError, unknown
from hyrec.plain_text import table
from hyrec.plugins import discovery
from hyrec.plugins.source import SLOT_BASES

ACTIONS = {
    "list": (
        "hyrec.cli.plugins_command:configure_list",
        "installed plugins; with --components every class that a config can name",
    ),
    "show": ("hyrec.cli.plugins_show", "one component, plugin or slot: options, tensors, YAML"),
    "check": ("hyrec.cli.plugins_check", "whether a component, or all of a plugin, obeys the contract"),
    "new": ("hyrec.cli.plugins_new", "write a complete package that brings a component"),
}
SLOTS = tuple(dict.fromkeys(SLOT_BASES.values()))


def configure(parser: StrictParser) -> None:
    """Add the actions."""
    parser.actions("action", ACTIONS)


def configure_list(parser: StrictParser) -> None:
    """Add the options of ``hyrec plugins list``."""
    parser.add_argument("--slot", help="only what fills this slot")
    parser.add_argument("--tag", help="only what carries this tag")
    parser.add_argument("--components", action="store_true", help="list classes, hyrec's too; imports them")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.set_defaults(run=_list)


def _list(options: argparse.Namespace) -> int:
    if options.slot and options.slot not in SLOTS:
        raise CommandError(unknown("There is no slot", options.slot, SLOTS, allowed="Slots"))
    print((_components if options.components else _plugins)(options.slot, options.tag, options.json))
    return 0


def _plugins(slot: str | None, tag: str | None, as_json: bool) -> str:
    found = [
        plugin
        for plugin in discovery.discover()
        if (not slot or slot in plugin.slots) and (not tag or tag in plugin.tags)
    ]
    if as_json:
        return json.dumps(
            [{**dataclasses.asdict(plugin), "slots": plugin.slots, "tags": plugin.tags} for plugin in found],
            indent=1,
        )
    if not found:
        which = " of that kind" if slot or tag else ""
        return f"No plugins{which} are installed: no package has an entry point in '{discovery.GROUP}'."
    rows = [[p.name, f"{p.distribution} {p.version}", p.state, ", ".join(p.slots), ", ".join(p.tags)] for p in found]
    notes = [f"{p.name}: {p.error}" for p in found if p.error]
    notes += [f"{p.name} ({p.distribution}): {clash}" for p in found for clash in p.clashes]
    return "\n".join([table(["plugin", "from", "state", "slots", "tags"], rows), *notes])


def _components(slot: str | None, tag: str | None, as_json: bool) -> str:
    from hyrec.plugins.catalogue import Catalogue

    catalogue = Catalogue.load()
    entries = catalogue.of_slot(slot) if slot else catalogue.entries
    found = [entry for entry in entries if not tag or tag in entry.tags]
    if as_json:
        return json.dumps([entry.as_dict() for entry in found], indent=1)
    rows = [[e.slot, e.name, e.paper, e.status, e.distribution] for e in found]
    return "\n".join([table(["slot", "class", "paper", "status", "from"], rows), *discovery.failures()])
