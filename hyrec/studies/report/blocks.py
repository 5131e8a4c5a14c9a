"""What a report is made of, before it is Markdown or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hyrec.studies.report.drawing import Drawing


@dataclass(frozen=True)
class Code:
    """A name from a file or a command, set in a fixed-width font."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Words that carry the sentence."""

    text: str


@dataclass(frozen=True)
class Aside:
    """Figures that back a sentence up, set smaller on a line of their own where there are lines."""

    text: str


Span: TypeAlias = str | Code | Strong | Aside
Inline: TypeAlias = Span | tuple[Span, ...]
"""A line of text; plain strings are escaped wherever they are written."""

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
    """A table.

    Args:
        header: Names of the columns.
        rows: Cells, as many as the header has.
        right: Columns (from 0) that hold numbers and are set flush right.
        caption: What it shows.
    """

    header: tuple[Inline, ...]
    rows: tuple[tuple[Inline, ...], ...]
    right: frozenset[int] = frozenset()
    caption: str = ""


@dataclass(frozen=True)
class Figure:
    """A chart of one or more panels, with its numbers as a table.

    Args:
        name: Folder-safe name, unique in the report; the file for Markdown is called after it.
        title: What is drawn.
        description: What is to be seen, in words, for those who cannot see it.
        panels: The drawings.
        caption: How to read it; shown under the chart.
        columns: Panels a row in the file for Markdown.
        table: The numbers.
    """

    name: str
    title: str
    description: str
    panels: tuple[Drawing, ...]
    caption: Inline = ""
    columns: int = 1
    table: Table | None = None


@dataclass(frozen=True)
class ForestRow:
    """A variant in a forest plot.

    Args:
        name: Variant.
        tone: Verdict as a colour.
        verdict: Verdict in words.
        p: The p value in words; empty without one.
        level: Mean and spread of the metric.
        estimate: Mean difference to the baseline; None when there is none, and for the baseline itself 0.
        seeds: Interval over seeds.
        groups: Interval over groups.
        lines: Difference and intervals in words, one line each.
        notes: Remarks under the name.
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
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forest:
    """A table whose middle column draws differences and intervals on one axis.

    Args:
        name: Folder-safe name, unique in the report.
        title: What is compared.
        metric: Metric.
        direction: What lies left and right of zero, such as ``("worse", "better")``.
        groups: Rows under a heading each; the heading is empty without a grid.
        group_word: What the groups of the bootstrap are called.
        drawing: The same as one drawing, for Markdown.
        table: The same as plain cells, for Markdown.
    """

    name: str
    title: str
    metric: str
    direction: tuple[str, str]
    groups: tuple[tuple[str, tuple[ForestRow, ...]], ...]
    group_word: str
    drawing: Drawing
    table: Table


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away until they are asked for."""

    summary: str
    blocks: tuple[Block, ...]


Block: TypeAlias = "Text | Notice | Bullets | Table | Figure | Forest | Details"


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading.

    Args:
        anchor: Id that links lead to.
        title: Heading.
        blocks: What stands under it.
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report.

    Args:
        title: Name of the study.
        question: What it asks.
        facts: A line of facts under the title.
        lead: What comes before the first heading: notices, then the summary.
        sections: The rest.
    """

    title: str
    question: str
    facts: tuple[str, ...]
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]


def absent(reason: str) -> Text:
    """Say in one line why a section has nothing to show."""
    return Text(reason, small=True)


def spans(content: Inline) -> Sequence[Span]:
    """Return the parts of a line."""
    return content if isinstance(content, tuple) else (content,)
