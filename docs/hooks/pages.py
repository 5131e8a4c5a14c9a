"""What mkdocs calls while it builds the site: references are filled in, and links that lead out of docs/ are told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import reference

REPOSITORY = Path(__file__).parents[2]
REFERENCES: dict[str, Callable[[], str]] = {
    "model": reference.model,
    "recipe": reference.recipe,
    "schema": reference.schema,
    "components": reference.components,
    "configs": reference.configs,
}
_MARKER = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)(?:#[\w-]+)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Fill in the references, and write links to files of the repository, which are not on the site, as their paths."""
    here = REPOSITORY / "docs" / page.file.src_uri

    def told(link: re.Match[str]) -> str:
        target = (here.parent / link[2]).resolve()
        if not target.exists():
            return link[0]  # which the strict build refuses
        path = f"`{target.relative_to(REPOSITORY)}`"
        return path if link[1].strip("`") == path.strip("`") else f"{link[1]} ({path})"

    return _MARKER.sub(lambda marker: REFERENCES[marker[1]](), _LINK.sub(told, markdown))
