"""Takes the place of a study's folder out of its report, which is read elsewhere too."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TypeVar

from hyrec.studies.analysis.places import inside

_Content = TypeVar("_Content")


def portable(content: _Content, folder: Path) -> _Content:
    """Return a document, or a part of it, in which paths start at the study's folder.

    Args:
        content: Blocks, lines or texts; anything else stays as it is.
        folder: Folder of the study.
    """
    if isinstance(content, str):
        return inside(content, folder)  # type: ignore[return-value]
    if isinstance(content, tuple):
        return tuple(portable(item, folder) for item in content)  # type: ignore[return-value]
    if is_dataclass(content) and not isinstance(content, type):
        changed = {field.name: portable(getattr(content, field.name), folder) for field in fields(content)}
        return replace(content, **changed)
    return content
