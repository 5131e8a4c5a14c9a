"""What a person reads when the parser refuses a command line."""

from __future__ import annotations

import re
from typing import Any

from hyrec.config.diagnose import diagnose, merge_options, refused_option
from hyrec.config.parser import GROUPS, HyrecParser, shortened
from hyrec.config.shipped import shipped_configs
from hyrec.config.sources import Sources
from hyrec.messages import listed
from hyrec.plugins import discovery


def refusal(message: str, sources: Sources, parser: HyrecParser) -> str:
    """Turn what the parser refuses into the nearest right spelling.

    Args:
        message: The parser's own.
        sources: What was given.
        parser: That refuses it.
    """
    if _names_no_model(sources) or re.search(r"required.*\bmodel\b|\bmodel\b.*required", message):
        return "No config names a model: add one with --config FILE, or in base.configs of a study.\n" + listed(
            [name for name in shipped_configs() if name.count("/") == 1], "hyrec ships"
        )
    found = diagnose(sources.trees, {name: GROUPS.get(name, Any) for name in parser.option_names})
    if found:
        broken = discovery.failures() if "there is no" in found or "cannot be imported" in found else []
        return "\n".join([found, *broken])
    if not any(argument.startswith("--schema=") for argument in sources.args):
        return "The data needs a schema: add --schema FILE, or a config of the data that holds one."
    return refused_option(message) or shortened(message)


def _names_no_model(sources: Sources) -> bool:
    """Whether overlays set options of a model that nothing names."""
    merged: dict[str, Any] = {}
    for source in sources.trees:
        merge_options(merged, source.tree)
    model = merged.get("model")
    return isinstance(model, dict) and set(model) == {"init_args"}
