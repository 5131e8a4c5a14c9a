"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from hyrec.studies.report.axis import Axis
from hyrec.studies.report.blocks import (
    Aside,
    Block,
    Bullets,
    Code,
    Details,
    Document,
    Figure,
    Forest,
    ForestRow,
    Inline,
    Notice,
    Section,
    Strong,
    Table,
    Text,
    Tone,
    spans,
)
from hyrec.studies.report.drawing import Drawing, asset, place
from hyrec.studies.report.forest import MARKERS, forest_axis

MARKS: dict[Tone, str] = {"better": "▲", "worse": "▼", "neutral": "●", "baseline": "◆"}
"""The markers of the charts as characters."""


def html(document: Document) -> str:
    """Write a document as a page: styles, script and drawings are all inside.

    Args:
        document: The report.
    """
    contents = "".join(
        f'<li><a href="#{escape(section.anchor)}">{escape(section.title)}</a></li>' for section in document.sections
    )
    lead = "".join(_block(block) for block in document.lead)
    sections = "".join(_section(section) for section in document.sections)
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in document.facts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>{escape(document.title)}: study report</title>
<link rel="icon" href="data:,">
<style>
{asset("colours.css")}{asset("chart.css")}{asset("page.css")}</style>
</head>
<body>
<a class="skip" href="#summary">Skip to the summary</a>
<header>
<button type="button" id="theme" aria-label="Light or dark" title="Light or dark" hidden></button>
<p class="kind">Study</p>
<h1>{escape(document.title)}</h1>
<p class="question">{escape(document.question)}</p>
<ul class="facts">{facts}</ul>
</header>
<main>
<section id="summary" class="lead">{lead}</section>
<nav aria-label="Contents"><ul>{contents}</ul></nav>
{sections}
</main>
<script>
{asset("page.js")}</script>
</body>
</html>
"""  # noqa: E501


def inline(content: Inline) -> str:
    """Write a line of text with its code and strong parts."""
    out = []
    for span in spans(content):
        if isinstance(span, Code):
            out.append(f"<code>{escape(span.text)}</code>")
        elif isinstance(span, Strong):
            out.append(f"<strong>{_text(span.text)}</strong>")
        elif isinstance(span, Aside):
            out.append(f"<small>{_text(span.text)}</small>")
        else:
            out.append(_text(span))
    return "".join(out)


def _text(text: str) -> str:
    """Escape a text and keep numbers together with the signs behind them."""
    return escape(text).replace(" %", "&nbsp;%").replace(" ×", "&nbsp;×")


def _section(section: Section) -> str:
    anchor = escape(section.anchor)
    body = "".join(_block(block) for block in section.blocks)
    return f'<section id="{anchor}" aria-labelledby="{anchor}-h"><h2 id="{anchor}-h">{escape(section.title)}</h2>{body}</section>\n'  # noqa: E501


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return f"{'<p class=small>' if block.small else '<p>'}{inline(block.content)}</p>"
    if isinstance(block, Notice):
        lines = "".join(f"<li>{inline(line)}</li>" for line in block.lines)
        return f'<div class="notice" role="note"><p>{escape(block.title)}</p><ul>{lines}</ul></div>'
    if isinstance(block, Bullets):
        return f"{'<ul class=verdicts>' if block.tones else '<ul>'}{''.join(_items(block))}</ul>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        return _figure(block)
    if isinstance(block, Forest):
        return _forest(block)
    return _details(block)


def _items(block: Bullets) -> Iterator[str]:
    if not block.tones:
        yield from (f"<li>{inline(item)}</li>" for item in block.items)
    for item, tone in zip(block.items, block.tones, strict=False):
        yield f'<li><span class="mark tone-{tone}" aria-hidden="true">{MARKS[tone]}</span><span>{inline(item)}</span></li>'  # noqa: E501


def _details(block: Details) -> str:
    return f"<details><summary>{escape(block.summary)}</summary>{''.join(map(_block, block.blocks))}</details>"


def _table(table: Table) -> str:
    caption = f'<p class="caption">{_text(table.caption)}</p>' if table.caption else ""
    head = "".join(f'<th scope="col"{_flush(i, table)}>{inline(cell)}</th>' for i, cell in enumerate(table.header))
    rows = "".join(
        "<tr>"
        + f'<th scope="row">{inline(row[0])}</th>'
        + "".join(f"<td{_flush(i, table)}>{inline(cell)}</td>" for i, cell in enumerate(row[1:], start=1))
        + "</tr>"
        for row in table.rows
    )
    label = escape(table.caption or "Table")
    return (
        f'{caption}<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _flush(column: int, table: Table) -> str:
    return ' class="right"' if column in table.right else ""


def _figure(figure: Figure) -> str:
    kind = {1: "single", 2: "panels pair"}.get(figure.columns, "panels")
    panels = "".join(f"<div>{panel.inline()}</div>" for panel in figure.panels)
    caption = f"<figcaption>{inline(figure.caption)}</figcaption>" if figure.caption else ""
    table = _details(Details("Numbers", (figure.table,))) if figure.table is not None else ""
    title = f'<p class="figure-title">{escape(figure.title)}</p>' if figure.columns > 1 else ""
    return (
        f'<figure id="figure-{escape(figure.name)}">{title}<div class="{kind}">{panels}</div>{caption}{table}</figure>'
    )


def _forest(forest: Forest) -> str:
    rows = [row for _, group in forest.groups for row in group]
    axis = forest_axis(rows, 3.0, 97.0)
    bodies = []
    for heading, group in forest.groups:
        title = f'<tr class="group"><th colspan="5" scope="rowgroup">{escape(heading)}</th></tr>' if heading else ""
        bodies.append(f"<tbody>{title}{''.join(_forest_row(row, forest.metric, axis) for row in group)}</tbody>")
    left, right = forest.direction
    return (
        f'<figure id="figure-{escape(forest.name)}" class="forest"><table role="table">'
        f"<caption>{escape(forest.title)}</caption><thead><tr>"
        f'<th scope="col" class="who">Variant</th><th scope="col" class="level">{escape(forest.metric)}</th>'
        f'<th scope="col" class="plot"><span class="ends"><span>← {escape(left)}</span>'
        f"<span>{escape(right)} →</span></span>{_forest_scale(axis)}</th>"
        f'<th scope="col" class="numbers">Difference</th><th scope="col" class="verdict">Verdict</th></tr></thead>'
        f"{''.join(bodies)}</table>"
        f'<figcaption class="key"><span><svg width="34" height="12" aria-hidden="true">'
        f'<line class="line-neutral seeds" x1="1" y1="6" x2="33" y2="6"/></svg> 95&nbsp;% over seeds: '
        f"other training runs</span><span>{_key_groups()} 95&nbsp;% over {escape(forest.group_word)}: "
        f"other test {escape(forest.group_word)}, these trained models</span></figcaption></figure>"
        f"{_details(Details('Numbers', (forest.table,)))}"
    )


def _key_groups() -> str:
    return (
        '<svg width="34" height="12" aria-hidden="true"><g class="line-neutral groups"><line x1="2" y1="6" x2="32" y2="6"/>'  # noqa: E501
        '<line x1="2" y1="2.5" x2="2" y2="9.5"/><line x1="32" y1="2.5" x2="32" y2="9.5"/></g></svg>'
    )


def _forest_scale(axis: Axis) -> str:
    ticks = axis.ticks(5)
    drawing = Drawing("", "", "", 0, 0)
    for tick, label in zip(ticks, axis.labels(ticks), strict=True):
        x = f"{place(axis(tick))}%"
        drawing.text(x, 11, label, "small", anchor="middle")
        drawing.line(x, 15, x, 20, "axis")
    return f'<svg class="scale" aria-hidden="true" width="100%" height="20">{drawing.body()}</svg>'


def _forest_row(row: ForestRow, metric: str, axis: Axis) -> str:
    zero = f"{place(axis(0))}%"
    rule = Drawing("", "", "", 0, 0)
    rule.line(zero, "0%", zero, "100%", "zero")
    drawing = Drawing("", "", "", 0, 0)
    for ends, kind, y in ((row.seeds, "seeds", -6.0), (row.groups, "groups", 7.0)):
        if ends is None:
            continue
        low, high = (f"{place(axis(end))}%" for end in ends)
        drawing.line(low, y, high, y, f"line-{row.tone} {kind}")
        if kind == "groups":
            drawing.line(low, y - 3.5, low, y + 3.5, f"line-{row.tone} {kind}")
            drawing.line(high, y - 3.5, high, y + 3.5, f"line-{row.tone} {kind}")
    if row.estimate is not None:
        height = 0.0 if row.seeds is None and row.groups is None else -6.0
        drawing.marker(MARKERS[row.tone], f"{place(axis(row.estimate))}%", height, f"fill-{row.tone}", size=5.5)
    marks = f'<svg y="50%" width="100%" overflow="visible">{drawing.body()}</svg>'
    notes = "".join(f'<span class="note">{escape(note)}</span>' for note in row.notes)
    lines = "".join(f"<span>{escape(line)}</span>" for line in row.lines)
    p = f'<span class="note">{escape(row.p)}</span>' if row.p else ""
    return (
        f'<tr><th scope="row" class="who">{_wrappable(row.name)}{notes}</th>'
        f'<td class="level" data-metric="{escape(metric)}">{escape(row.level)}</td>'
        f'<td class="plot"><svg aria-hidden="true" width="100%" height="100%">{rule.body()}{marks}</svg></td>'
        f'<td class="numbers">{lines}</td><td class="verdict"><span class="tone-{row.tone}"><span aria-hidden="true">'
        f"{MARKS[row.tone]}</span> {escape(row.verdict)}</span>{p}</td></tr>"
    )


def _wrappable(name: str) -> str:
    """Let a long name break where a reader would."""
    return escape(name).replace("_", "_<wbr>").replace("@", "<wbr>@")
