"""``hyrec plugins list``: what is installed, read from metadata and source files, importing nothing heavy."""

from __future__ import annotations

import dataclasses
import json

from hyrec import plugins
from hyrec.cli.arguments import StrictParser
from hyrec.cli.errors import CommandError, listed
from hyrec.cli.table import table
from hyrec.schema import suggest

ACTIONS = ("list",)
SLOTS = (
    *("tokenizer", "encoder", "queries", "decoder", "mixer", "backbone", "head", "loss"),
    *("data", "metric", "callback"),
)


def run(arguments: list[str]) -> int:
    """Run ``hyrec plugins ...``.

    Args:
        arguments: ``plugins``, the action and its options.
    """
    action = arguments[1] if len(arguments) > 1 else ""
    if action in ("", "-h", "--help"):
        print("usage: hyrec plugins list [--slot SLOT] [--tag TAG] [--components] [--json]")
        return 0
    if action not in ACTIONS:
        raise CommandError(
            f"There is no 'hyrec plugins {action}'.{suggest(action, ACTIONS)} {listed(ACTIONS, 'Actions')}"
        )
    parser = StrictParser(prog="hyrec plugins list", description="List installed plugins.")
    parser.add_argument("--slot", help="only what fills this slot")
    parser.add_argument("--tag", help="only what carries this tag")
    parser.add_argument("--components", action="store_true", help="list components, hyrec's too; imports them")
    parser.add_argument("--json", action="store_true", help="write JSON")
    options = parser.read(arguments[2:])
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
    import hyrec.components  # noqa: F401  (defines hyrec's own)
    from hyrec import registry
    from hyrec.slots import SLOTS as NETWORK_SLOTS

    broken = [p for p in plugins.load() if p.state == "broken"]
    if slot and slot not in NETWORK_SLOTS:
        raise CommandError(f"--components lists the network's slots: {', '.join(NETWORK_SLOTS)}. Got {slot!r}.")
    found = [info for info in registry.components(slot) if not tag or tag in info.tags]
    if as_json:
        return json.dumps([dataclasses.asdict(info) for info in found], indent=1)
    rows = [[i.slot, i.name, i.paper, i.status, i.distribution] for i in found]
    notes = [f"{p.name} ({p.distribution}) is broken: {p.error}" for p in broken]
    return "\n".join([table(["slot", "class", "paper", "status", "from"], rows), *notes])
