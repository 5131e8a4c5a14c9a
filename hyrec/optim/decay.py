"""Which parameters decay."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

_BIAS = re.compile(r"(bias|b\d*)(_[A-Z]+)?")
"""Name of a parameter that is a bias, whatever its axes: ``bias``, ``b``, ``b1_TK``."""


def decay_groups(module: nn.Module, parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    """Part weights from what must not decay: vectors (norms among them), and biases that have a row a token.

    Args:
        module: Names the parameters.
        parameters: Those to part, in the order of the groups.
    """
    leaves = {id(p): name.rsplit(".", 1)[-1] for name, p in module.named_parameters()}
    groups: list[dict[str, Any]] = [{"params": []}, {"params": [], "weight_decay": 0.0}]
    for parameter in parameters:
        decays = parameter.dim() > 1 and not _BIAS.fullmatch(leaves[id(parameter)])
        groups[0 if decays else 1]["params"].append(parameter)
    return groups
