"""Reads class docstrings of hyrec's form: a summary, what it computes, and sections such as ``Args:``."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

_SECTION = re.compile(r"^(Args|Attributes|Shape|Raises|Returns|Example|Examples):\s*$")


@dataclass(frozen=True)
class Docstring:
    """A docstring in its parts.

    Args:
        summary: First paragraph, on one line.
        description: All that stands before the first section, the summary included.
        sections: Text of every section by its name, without the common indentation.
    """

    summary: str
    description: str
    sections: dict[str, str]

    @classmethod
    def of(cls, documented: type) -> Docstring:
        """Read the docstring of a class; a class without one has empty parts."""
        text = inspect.cleandoc(documented.__doc__ or "")
        parts: dict[str, list[str]] = {"": []}
        name = ""
        for line in text.splitlines():
            if found := _SECTION.match(line):
                name = found.group(1)
                parts.setdefault(name, [])
            else:
                parts[name].append(line)
        description = "\n".join(parts.pop("")).strip()
        summary = " ".join(description.split("\n\n")[0].split())
        sections = {key: inspect.cleandoc("\n" + "\n".join(lines)) for key, lines in parts.items()}
        return cls(summary, description, sections)

    @property
    def options(self) -> dict[str, str]:
        """Text of every entry under ``Args:`` by its name, each on one line."""
        entries: dict[str, str] = {}
        name = ""
        for line in self.sections.get("Args", "").splitlines():
            if found := re.match(r"(\w+):(.*)", line):
                name = found.group(1)
                entries[name] = found.group(2).strip()
            elif name:
                entries[name] = f"{entries[name]} {line.strip()}".strip()
        return entries
