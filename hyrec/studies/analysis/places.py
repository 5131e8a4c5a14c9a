"""Paths inside of a study's folder, as they are shown in a report that others read elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

THE_STUDY = "the study's folder"


def inside(text: str, *folders: str | Path) -> str:
    """Return a text in which absolute paths below a folder, where the study lies or lay, start at that folder."""
    # Absolute ones alone: a relative name such as "tiny" may be any word of the text.
    names = {str(name) for folder in folders for name in (Path(folder).absolute(), Path(folder).resolve())} - {"/"}
    for name in sorted(names, key=len, reverse=True):
        # Not in the middle of another path; a full stop may end the sentence.
        start, found = r"(?<![\w./-])", re.escape(name.rstrip("/"))
        text = re.sub(rf"{start}{found}/+(?=[\w.])", "", text)
        text = re.sub(rf"{start}{found}/*(?![\w/-]|\.\w)", THE_STUDY, text)
    return text
