"""Charts as SVG that follows the reader: texts in the reader's fonts, colours for light or dark grounds, no ids twice."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure

from hyrec.studies.report.style import COLOURS, asset, styled

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
# Every mark keeps its light colour as an attribute, which any viewer understands; where there is CSS, these rules win
# over it and take the colour's variable instead. So one file serves both grounds, a browser and a slide.
RULES = "".join(
    f'[{side}="{value}"] {{ {side}: var(--{name}); }}\n'
    for value, name in {value: name for name, value in COLOURS.items()}.items()
    for side in ("fill", "stroke")
)
_EMPTY = {key: None for key in ("Creator", "Date", "Format", "Type")}


@dataclass(frozen=True)
class Chart:
    """A drawing, and what is to be seen in words.

    Args:
        name: Folder-safe name, unique in a report; ids are made of it.
        title: What is drawn, read out by screen readers; empty where the text beside it says all.
        description: What is to be seen, read out after the title.
        figure: The drawing.
    """

    name: str
    title: str
    description: str
    figure: Figure

    @property
    def size(self) -> tuple[float, float]:
        """Width and height, in units."""
        return self.figure.bbox.width, self.figure.bbox.height

    @cached_property
    def svg(self) -> str:
        """The drawing as part of a page that holds the colours and ``RULES``."""
        width, height = self.size
        if self.title:
            ids = f'id="{self.name}" role="img" aria-labelledby="{self.name}-title {self.name}-desc"'
            said = f'<title id="{self.name}-title">{escape(self.title)}</title>'
            said += f'<desc id="{self.name}-desc">{escape(self.description)}</desc>'
        else:
            ids, said = 'aria-hidden="true"', ""
        return f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" {ids}>{said}{_marks(self.figure, self.name)}</svg>'


def chart_file(charts: Sequence[Chart], title: str, description: str, columns: int = 1) -> str:
    """Set charts side by side in a file of its own, on a ground of its own.

    Args:
        charts: Charts, row by row.
        title: What the file shows.
        description: What is to be seen.
        columns: Charts a row.
    """
    gap, rim = 18.0, 14.0
    rows = [charts[i : i + columns] for i in range(0, len(charts), columns)]
    width = max(sum(chart.size[0] + gap for chart in row) for row in rows) - gap + 2 * rim
    parts, y = [], rim
    for row in rows:
        x = rim
        for chart in row:
            place = f'x="{x:g}" y="{y:g}" width="{chart.size[0]:g}" height="{chart.size[1]:g}"'
            parts.append(chart.svg.replace('class="chart"', place, 1))
            x += chart.size[0] + gap
        y += max(chart.size[1] for chart in row) + gap
    height = y - gap + rim
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="title desc" font-family="{FONTS}">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="desc">{escape(description)}</desc>\n'
        f"<style>\n{asset('colours.css')}{RULES}text {{ font-variant-numeric: tabular-nums; }}\n</style>\n"
        f'<rect width="100%" height="100%" rx="6" fill="{COLOURS["ground"]}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


@styled
def _marks(figure: Figure, name: str) -> str:
    """Return the marks of a drawing: what matplotlib writes, less its frame, its fonts and its names for everything."""
    file = io.BytesIO()
    # The salt alone tells the ids of two drawings in one page apart, and is what makes them the same every time.
    with matplotlib.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the reader's fonts may have it
        figure.savefig(file, format="svg", metadata=_EMPTY)
    root = ElementTree.fromstring(file.getvalue())
    root.remove(root[0])  # a style that would reach out of the drawing
    for element in list(root.iter()):
        element.tag = element.tag.partition("}")[2]
        element.attrib = _attributes(element)
        tip = element.attrib.pop("tip", None)
        if tip:
            title = ElementTree.Element("title")
            title.text = tip
            element.insert(0, title)
        element.tail = None
        if element.text and not element.text.strip():
            element.text = None
    inner = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    return f'<g stroke-linejoin="round">{inner}</g>'


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    style = dict(part.split(": ", 1) for part in element.attrib.pop("style", "").split("; ") if part)
    found = {key.partition("}")[2] or key: value for key, value in element.attrib.items()}
    if element.tag == "g":
        name = found.pop("id", "")
        found |= {"tip": name[4:]} if name.startswith("tip ") else {}
    if element.tag == "text":
        font = " ".join(style.pop(key, "") for key in ("font", "font-size", "font-weight", "font-family"))
        size = re.search(r"([\d.]+)px", font)
        style |= {"font-size": size[1] if size else "12"} | ({"font-weight": "600"} if "700" in font or "bold" in font else {})
        if found.get("transform", "").startswith("rotate(-0"):
            del found["transform"]
    return {key: value if key == "tip" else _rounded(value) for key, value in (found | style).items()}


def _rounded(value: str) -> str:
    """Round coordinates to a hundredth of a unit, below which machines may differ, and join lines."""
    rounded = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), value)
    return " ".join(re.sub(r"(?<![\d.])-0(?![\d.])", "0", rounded).split())
