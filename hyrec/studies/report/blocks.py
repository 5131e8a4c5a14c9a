"""What a report is made of, before it is Markdown or HTML."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from hyrec.studies.report.svg import Chart


class Code(str):
    """A name from a file or a command, set in a fixed-width font."""


class Strong(str):
    """Words that carry the sentence."""


class Aside(str):
    """Figures that back a sentence up, set smaller on a line of their own where there are lines."""


Inline: TypeAlias = str | tuple[str, ...]
"""A line of text; its parts are plain, ``Code``, ``Strong`` or ``Aside``, and escaped wherever they are written."""

Tone = Literal["better", "worse", "neutral", "baseline"]
"""What a row says about its variant: it picks colour and marker, and never stands without words."""


@dataclass(frozen=True)
class Text:
    """A paragraph; ``small`` for remarks and reasons."""

    content: Inline
    small: bool = False


@dataclass(frozen=True)
class Notice:
    """Something that the reader must know before the numbers."""

    title: str
    lines: tuple[Inline, ...]


@dataclass(frozen=True)
class Bullets:
    """A list; a tone marks an item in HTML, beside its words."""

    items: tuple[Inline, ...]
    tones: tuple[Tone, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table; ``right`` are the columns (from 0) that hold numbers and are set flush right."""

    header: tuple[Inline, ...]
    rows: tuple[tuple[Inline, ...], ...]
    right: Container[int] = ()
    caption: str = ""


@dataclass(frozen=True)
class Figure:
    """Charts with their numbers as a table; very many charts are folded away until they are asked for.

    The file for Markdown is called after the name, which is unique in the report, and has ``columns`` charts a row. The
    description is for those who cannot see them.
    """

    name: str
    title: str
    description: str
    charts: tuple[Chart, ...]
    caption: str
    columns: int = 1
    table: Table | None = None


@dataclass(frozen=True)
class ForestRow:
    """A variant in a forest plot: the estimate and both intervals, and the words beside them.

    The estimate is None when there is none, and 0 for the baseline itself. ``level`` holds mean and spread of the
    metric, and ``lines`` difference and intervals, one line each.
    """

    name: str
    tone: Tone
    verdict: str
    p: str
    level: str
    estimate: float | None
    seeds: tuple[float, float] | None
    groups: tuple[float, float] | None
    lines: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Forest:
    """Differences to the baseline: in HTML a table with a strip of the chart in each row, in Markdown one chart.

    Args:
        direction: What lies left and right of zero, such as ``("worse", "better")``.
        groups: Rows, each with its strip, under a heading each; the heading is empty without a grid.
        group_word: What the groups of the bootstrap are called.
        scale: Labels of the axis by their place, in per cent of its length.
    """

    metric: str
    direction: tuple[str, str]
    groups: tuple[tuple[str, tuple[tuple[ForestRow, Chart], ...]], ...]
    group_word: str
    scale: tuple[tuple[float, str], ...]
    chart: Chart
    table: Table


Block: TypeAlias = "Text | Notice | Bullets | Table | Figure | Forest"


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading; links lead to its anchor."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report; ``lead`` comes before the first heading: notices, then the summary."""

    title: str
    question: str
    facts: tuple[str, ...]
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]


def absent(said: str, reason: object = "") -> Text:
    """Say in one line what is not shown, and why."""
    return Text(f"{said}: {str(reason).rstrip('.')}." if reason else said, small=True)
