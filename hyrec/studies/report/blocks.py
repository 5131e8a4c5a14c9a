"""What a report is made of, before it is Markdown or HTML."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from hyrec.studies.report.svg import Chart


class Code(str):
    """A name from a file or a command, set in a fixed-width font."""


class Strong(str):
    """Words that carry the sentence."""


Inline: TypeAlias = str | tuple[str, ...]
"""A line of text; its parts are plain, ``Code`` or ``Strong``, and escaped wherever they are written."""


@dataclass(frozen=True)
class Text:
    """A paragraph; ``small`` for remarks and reasons."""

    content: Inline
    small: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list; with a title it is a notice, which the reader must know before the numbers."""

    items: tuple[Inline, ...]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table; ``right`` are the columns (from 0) that hold numbers and are set flush right."""

    header: tuple[Inline, ...]
    rows: tuple[tuple[Inline, ...], ...]
    right: Container[int] = ()
    caption: str = ""


@dataclass(frozen=True)
class Figure:
    """Charts side by side under one title, with their numbers as a table; very many charts are folded away."""

    title: str
    charts: tuple[Chart, ...]
    caption: str = ""
    table: Table | None = None


Block: TypeAlias = Text | Bullets | Table | Figure


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading; links lead to its anchor."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report; ``lead`` comes before the first heading: notices, then the summary; ``kind`` says of what."""

    title: str
    question: str
    facts: tuple[str, ...]
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]
    kind: str = "Study"


def absent(said: str, reason: object = "") -> Text:
    """Say in one line what is not shown, and why."""
    return Text(f"{said}: {str(reason).rstrip('.')}." if reason else said, small=True)
