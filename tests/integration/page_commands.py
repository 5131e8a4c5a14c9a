"""The commands of a page of docs/, as a reader would copy them, and the files that the page says to write."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import yaml

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(
    r"^(?:<!-- (?P<told>[^\n]*) -->\n)?^(?P<indent> *)```(?P<kind>bash|yaml|python)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


class Step(NamedTuple):
    """One thing that a page asks for.

    Args:
        line: The command, or the text of a file.
        kind: ``bash``, ``python``, or ``yaml`` of a file.
        told: What the comment above its block says: ``parsed only: why``, or ``into recipe.yaml``.
    """

    line: str
    kind: str
    told: str = ""

    @property
    def parsed_only(self) -> bool:
        """Whether it is too long, or needs what a test has not."""
        return self.told.startswith("parsed only: ")

    @property
    def words(self) -> list[str]:
        """The command in words, without its comment."""
        return shlex.split(self.line, comments=True)


def steps_of(page: Path) -> list[Step]:
    """Return what a page asks for, in order."""
    steps: list[Step] = []
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        told, kind = block["told"] or "", block["kind"]
        if kind == "bash":
            lines = block["text"].replace("\\\n", " ").splitlines()
            steps += [Step(line.strip(), kind, told) for line in lines if shlex.split(line, comments=True)]
        elif kind == "python" or told.startswith("into "):
            steps.append(Step(block["text"], kind, told))
    return steps


def merge_into(file: Path, text: str) -> None:
    """Put the keys of some YAML under the keys of the same names in a file."""
    merged = _merged(yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}, yaml.safe_load(text))
    file.write_text(yaml.safe_dump(merged, sort_keys=False), encoding="utf-8")


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
