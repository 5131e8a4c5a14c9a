"""A document as one HTML page that needs nothing but itself, and as Markdown with an SVG file for each chart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hyrec.studies.analysis.places import inside
from hyrec.studies.report.blocks import Code, Document, Inline, Strong
from hyrec.studies.report.svg import asset


def html(document: Document, folder: Path) -> str:
    """Write a document as a page: styles, script and charts are all inside, and paths start at the study's folder."""
    style, script = f"{asset('colours.css')}{asset('page.css')}", asset("page.js")
    return (
        _environment(folder, autoescape=True)
        .get_template("page.html.jinja")
        .render(document=document, style=style, script=script)
    )


def markdown(document: Document, folder: Path) -> str:
    """Write a document as Markdown that shows the file of each chart; paths start at the study's folder."""
    environment = _environment(folder, autoescape=False)

    def inline(content: Inline) -> str:
        parts = [inside(part, folder) for part in spans(content)]
        return "".join(
            _code(text) if isinstance(part, Code) else f"**{plain(text)}**" if isinstance(part, Strong) else plain(text)
            for part, text in zip(spans(content), parts, strict=True)
        )

    environment.filters["inline"] = inline
    # In code too: a table is cut into cells before its code is read.
    environment.filters["cell"] = lambda content: re.sub(r"(?<!\\)\|", r"\\|", inline(content))
    text = environment.get_template("report.md.jinja").render(document=document)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def plain(text: str) -> str:
    """Escape a text so that Markdown shows it as it is, on one line; what is harmless is left readable."""
    text = re.sub(r"\s+", " ", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*|~])", r"\\\1", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
    if re.search(r"\][(\[:]", text):
        text = re.sub(r"([\[\]])", r"\\\1", text)
    text = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", text)
    return re.sub(r"^([-+#=])(?=[\s#=]|$)", r"\\\1", text)


def spans(content: Inline) -> tuple[str, ...]:
    """Return the parts of a line of text."""
    return content if isinstance(content, tuple) else (content,)


def _environment(folder: Path, *, autoescape: bool) -> Environment:
    loader = PackageLoader("hyrec.studies.report", "")
    environment = Environment(loader=loader, autoescape=autoescape, undefined=StrictUndefined)
    kind: Any = lambda block: type(block).__name__  # noqa: E731
    # A report is read elsewhere too, so it does not say where the study lay.
    environment.filters |= {"kind": kind, "spans": spans, "local": lambda text: inside(text, folder)}
    return environment


def _code(text: str) -> str:
    text = " ".join(text.split())
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"
