"""``hyrec plugins list | show | check | new``. Listing and writing plugins import nothing heavy."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from hyrec.cli.arguments import StrictParser
from hyrec.messages import CommandError, listed, unknown
from hyrec.plain_text import table
from hyrec.plugins import discovery
from hyrec.plugins.new import next_commands, render
from hyrec.plugins.slot_table import SLOT_TABLE

if TYPE_CHECKING:
    from hyrec.plugins.catalogue import Entry
    from hyrec.testing import RuleResult

_ACTIONS = {
    "list": "installed plugins; with --components every class that a config can name",
    "show": "one component, plugin or slot: options, tensors, YAML",
    "check": "whether a component, or all of a plugin, obeys the contract",
    "new": "write a complete package that brings a component: code, config, test, README",
}


def configure(parser: StrictParser) -> None:
    """Add the actions."""
    parser.actions("action", {name: (f"{__name__}:configure_{name}", text) for name, text in _ACTIONS.items()})


def configure_list(parser: StrictParser) -> None:
    """Add the options of ``hyrec plugins list``."""
    parser.add_argument("--slot", help="only what fills this slot")
    parser.add_argument("--tag", help="only what carries this tag")
    parser.add_argument("--components", action="store_true", help="list classes, hyrec's too; imports them")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.set_defaults(run=_list)


def configure_show(parser: StrictParser) -> None:
    """Add the options of ``hyrec plugins show``."""
    parser.add_argument("name", help="class, distribution or plugin, or a slot such as decoder")
    parser.add_argument("--plugin", action="append", default=[], help="local code to load: a file, folder or module")
    parser.set_defaults(run=_show)


def configure_check(parser: StrictParser) -> None:
    """Add the options of ``hyrec plugins check``."""
    parser.add_argument("name", help="class, distribution or plugin")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="[CLASS.]KEY=VALUE",
        help="option of the component, the value as in YAML; repeat for several",
    )
    parser.add_argument("--config", action="append", default=[], help="config that names the data to check with")
    parser.add_argument("--plugin", action="append", default=[], help="local code to load: a file, folder or module")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.set_defaults(run=_check)


def configure_new(parser: StrictParser) -> None:
    """Add the options of ``hyrec plugins new``."""
    parser.epilog = "example: hyrec plugins new hyrec-gated --slot mixer"
    parser.add_argument("name", help="name of the distribution, such as hyrec-gated")
    parser.add_argument("--slot", help=f"what it brings (needed): {', '.join(SLOT_TABLE)}")
    parser.add_argument("--dir", default=".", help="folder that the package's folder is made in; default: here")
    parser.set_defaults(run=_new)


def _list(options: argparse.Namespace) -> int:
    _demand_slot(options.slot)
    print((_components if options.components else _plugins)(options.slot, options.tag, options.json))
    return 0


def _plugins(slot: str | None, tag: str | None, as_json: bool) -> str:
    found = [p for p in discovery.discover() if slot in (None, *p.slots) and tag in (None, *p.tags)]
    if as_json:
        return json.dumps([{**dataclasses.asdict(p), "slots": p.slots, "tags": p.tags} for p in found], indent=1)
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
    facts = [entry.facts for entry in (catalogue.of_slot(slot) if slot else catalogue.entries)]
    found = [fact for fact in facts if tag in (None, *fact["tags"])]
    if as_json:
        return json.dumps(found, indent=1)
    rows = [[fact[key] for key in ("slot", "name", "paper", "status", "distribution")] for fact in found]
    return "\n".join([table(["slot", "class", "paper", "status", "from"], rows), *discovery.failures()])


def _show(options: argparse.Namespace) -> int:
    from hyrec.plugins.catalogue import Catalogue
    from hyrec.plugins.describe import describe

    print(describe(Catalogue.load(options.plugin), options.name))
    return 0


def _check(options: argparse.Namespace) -> int:
    from hyrec.plugins.catalogue import Catalogue
    from hyrec.plugins.check import check

    results = check(Catalogue.load(options.plugin), options.name, options.option, options.config)
    every = [result.status for rules in results.values() for result in rules]
    if options.json:
        found = [
            {"class": entry.path, "slot": entry.slot, "results": [dataclasses.asdict(rule) for rule in rules]}
            for entry, rules in results.items()
        ]
        print(json.dumps(found, indent=1))
    else:
        counts = ", ".join(f"{every.count(status)} {status}" for status in ("passed", "failed", "skipped"))
        summary = f"{len(results)} class{'es' if len(results) > 1 else ''}, {len(every)} rules: {counts}."
        print("\n\n".join([*(_report(entry, rules) for entry, rules in results.items()), summary]))
    return int("failed" in every)


def _report(entry: Entry, results: list[RuleResult]) -> str:
    from hyrec.plugins.check import NOT_CHECKED

    width = max(len(result.rule) for result in results) + 2
    lines = [f"{entry.name} ({entry.slot}, from {entry.source})"]
    for result in results:
        mark = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}[result.status]
        lines.append(f"  {mark:<9}{result.rule:<{width}}expected  {result.expected}")
        if result.status != "passed":
            lines.append(f"  {'':<9}{'':<{width}}observed  {result.observed}")
    lines.append(f"  not checked: {NOT_CHECKED.get(entry.slot, 'that it computes what its docstring says')}")
    return "\n".join(lines)


def _new(options: argparse.Namespace) -> int:
    if not options.slot:
        raise CommandError(f"Add --slot SLOT to say what {options.name!r} brings. {listed(SLOT_TABLE, 'Slots')}")
    _demand_slot(options.slot)
    files = render(options.name, options.slot)
    folder = Path(options.dir).expanduser()
    if not folder.is_dir():
        raise CommandError(f"--dir {options.dir!r} is no folder. Make it first, or leave --dir out to write here.")
    target = folder / options.name
    if target.exists():
        raise CommandError(f"{target} exists already, and nothing is overwritten. Choose another name or --dir.")
    for path, text in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text, encoding="utf-8")
    print("\n  ".join([f"Written to {target}:", *files]))
    print("\n  ".join(["\nNext:", f"cd {target}", *next_commands(options.name)]))
    return 0


def _demand_slot(slot: str | None) -> None:
    if slot and slot not in SLOT_TABLE:
        raise CommandError(unknown("There is no slot", slot, SLOT_TABLE, allowed="Slots"))
