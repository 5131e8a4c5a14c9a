"""Sub-modules by names that come from data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

_TAKEN = frozenset([*dir(nn.ModuleDict()), "_keys"])


class NamedModules(nn.Module):
    """A dictionary of modules whose keys may be any name of a feature, sequence or table.

    ``nn.ModuleDict`` refuses a dot and names such as ``items`` or ``type``, which real data has.
    """

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self._keys = {name: _safe(name) for name in modules}
        if len(set(self._keys.values())) != len(self._keys):
            raise ValueError(f"These names cannot be told apart as module names: {sorted(self._keys)}.")
        for name, module in modules.items():
            self.add_module(self._keys[name], module)

    def __getitem__(self, name: str) -> nn.Module:
        return self.get_submodule(self._keys[name])

    def key(self, name: str) -> str:
        """Return the name under which parameters and checkpoints have a module."""
        return self._keys[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _safe(name: str) -> str:
    key = name.replace(".", "/")
    return f"{key}=" if key in _TAKEN or not key else key
