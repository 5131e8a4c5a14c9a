"""The report as Markdown, with one SVG file for each chart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from hyrec.studies.report.blocks import (
    Aside,
    Block,
    Bullets,
    Code,
    Document,
    Figure,
    Forest,
    Inline,
    Notice,
    Strong,
    Table,
    Text,
    spans,
)
from hyrec.studies.report.drawing import standalone


def markdown(document: Document) -> tuple[str, Mapping[str, str]]:
    """Write a document as Markdown.

    Args:
        document: The report.

    Returns:
        The text, and the charts that it shows by file name.
    """
    charts: dict[str, str] = {}
    lines = [f"# {plain(document.title)}", "", plain(document.question), ""]
    lines += [" · ".join(plain(fact) for fact in document.facts), ""]
    for block in document.lead:
        lines += _lines(block, charts)
    for section in document.sections:
        lines += [f"## {plain(section.title)}", ""]
        for block in section.blocks:
            lines += _lines(block, charts)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n", charts


def plain(text: str) -> str:
    r"""Escape a text so that Markdown shows it as it is, on one line; what is harmless is left readable.

    Example:
        >>> plain("no_pooling <b> | 3 * 4 [−0.1, +0.2]")
        'no_pooling &lt;b&gt; \\| 3 \\* 4 [−0.1, +0.2]'
        >>> plain("[a](b) _c_")
        '\\[a\\](b) \\_c\\_'
    """
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*|~])", r"\\\1", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
    if re.search(r"\][(\[:]", text):
        text = re.sub(r"([\[\]])", r"\\\1", text)
    text = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", text)
    return re.sub(r"^([-+#=])(?=[\s#=]|$)", r"\\\1", text)


def inline(content: Inline) -> str:
    """Write a line of text with its code and strong parts."""
    out = []
    for span in spans(content):
        if isinstance(span, Code):
            out.append(_code(span.text))
        elif isinstance(span, Strong):
            out.append(f"**{plain(span.text)}**" if span.text.strip() else "")
        elif isinstance(span, Aside):
            out.append(f" ({plain(span.text)})")
        else:
            out.append(_keep_ends(span))
    return "".join(out)


def _keep_ends(text: str) -> str:
    lead, trail = (" " if text[:1].isspace() else ""), (" " if text[-1:].isspace() else "")
    return f"{lead}{plain(text)}{trail}" if text.strip() else text[:1]


def _code(text: str) -> str:
    text = " ".join(text.split())
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _lines(block: Block, charts: dict[str, str]) -> Iterator[str]:
    if isinstance(block, Text):
        yield from (inline(block.content), "")
    elif isinstance(block, Notice):
        yield f"> **{plain(block.title)}**"
        for line in block.lines:
            yield from (">", f"> {inline(line)}")
        yield ""
    elif isinstance(block, Bullets):
        yield from (f"- {inline(item)}" for item in block.items)
        yield ""
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Figure):
        charts[f"{block.name}.svg"] = standalone(block.panels, block.title, block.description, columns=block.columns)
        yield from (f"**{plain(block.title)}**", "")
        yield from (f"![{plain(block.title)}. {plain(block.description)}]({block.name}.svg)", "")
        if block.caption:
            yield from (inline(block.caption), "")
        if block.table is not None:
            yield from _folded("Numbers", (block.table,), charts)
    elif isinstance(block, Forest):
        charts[f"{block.name}.svg"] = standalone([block.drawing], block.title, block.drawing.description)
        yield from (f"**{plain(block.title)}**", "")
        yield from (f"![{plain(block.title)}. {plain(block.drawing.description)}]({block.name}.svg)", "")
        yield from _table(block.table)
    else:
        yield from _folded(block.summary, block.blocks, charts)


def _table(table: Table) -> Iterator[str]:
    if table.caption:
        yield from (plain(table.caption), "")
    yield f"| {' | '.join(_cell(cell) for cell in table.header)} |"
    yield f"| {' | '.join('---:' if i in table.right else '---' for i in range(len(table.header)))} |"
    for row in table.rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"
    yield ""


def _cell(content: Inline) -> str:
    """Escape bars in code too: a table is cut into cells before its code is read."""
    return re.sub(r"(?<!\\)\|", r"\\|", inline(content))


def _folded(summary: str, blocks: tuple[Block, ...], charts: dict[str, str]) -> Iterator[str]:
    yield from (f"<details><summary>{plain(summary)}</summary>", "")
    for block in blocks:
        yield from _lines(block, charts)
    yield from ("</details>", "")
