"""A document as one HTML page that needs nothing but itself, and as Markdown with an SVG file for each chart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from hyrec.studies.analysis.places import inside
from hyrec.studies.report.blocks import Block, Document, Figure, Forest, Tone
from hyrec.studies.report.style import asset
from hyrec.studies.report.svg import RULES, chart_file

SIGNS: Mapping[Tone, str] = {"better": "▲", "worse": "▼", "neutral": "●", "baseline": "◆"}
"""The markers of the charts as characters."""


def html(document: Document, folder: Path) -> str:
    """Write a document as a page: styles, script and charts are all inside, and paths start at the study's folder."""
    environment = _environment(folder, autoescape=True)
    environment.filters["wrappable"] = _wrappable
    # Keeps numbers together with the signs behind them.
    environment.filters["joined"] = lambda text: re.sub(" (?=[%×])", "\N{NO-BREAK SPACE}", text)
    style, script = f"{asset('colours.css')}{RULES}{asset('page.css')}", asset("page.js")
    return environment.get_template("page.html.jinja").render(
        document=document, style=style, script=script, signs=SIGNS
    )


def markdown(document: Document, folder: Path) -> tuple[str, Mapping[str, str]]:
    """Write a document as Markdown, and the charts that it shows by file name; paths start at the study's folder."""
    environment = _environment(folder, autoescape=False)
    environment.filters |= {"plain": plain, "plain_part": _plain_part, "code": _code}
    # In code too: a table is cut into cells before its code is read.
    environment.filters["cell"] = lambda text: re.sub(r"(?<!\\)\|", r"\\|", text)
    text = environment.get_template("report.md.jinja").render(document=document)
    blocks = [*document.lead, *(block for section in document.sections for block in section.blocks)]
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n", dict(_files(blocks))


def plain(text: str) -> str:
    """Escape a text so that Markdown shows it as it is, on one line; what is harmless is left readable."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*|~])", r"\\\1", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
    if re.search(r"\][(\[:]", text):
        text = re.sub(r"([\[\]])", r"\\\1", text)
    text = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", text)
    return re.sub(r"^([-+#=])(?=[\s#=]|$)", r"\\\1", text)


def _environment(folder: Path, *, autoescape: bool) -> Environment:
    loader = PackageLoader("hyrec.studies.report", "")
    environment = Environment(loader=loader, autoescape=autoescape, undefined=StrictUndefined)
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["spans"] = lambda content: content if isinstance(content, tuple) else (content,)
    # A report is read elsewhere too, so it does not say where the study lay.
    environment.filters["local"] = lambda text: inside(text, folder)
    return environment


def _wrappable(name: str) -> Markup:
    """Let a long name break where a reader would."""
    return Markup(str(escape(name)).replace("_", "_<wbr>").replace("@", "<wbr>@"))


def _plain_part(text: str) -> str:
    lead, trail = (" " if text[:1].isspace() else ""), (" " if text[-1:].isspace() else "")
    return f"{lead}{plain(text)}{trail}" if text.strip() else text[:1]


def _code(text: str) -> str:
    text = " ".join(text.split())
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _files(blocks: Iterable[Block]) -> Iterator[tuple[str, str]]:
    for block in blocks:
        if isinstance(block, Figure):
            yield f"{block.name}.svg", chart_file(block.charts, block.title, block.description, block.columns)
        elif isinstance(block, Forest):
            yield f"{block.chart.name}.svg", chart_file([block.chart], block.chart.title, block.chart.description)
