"""Charts as SVG that follows its reader: texts in the reader's fonts, colours for light or dark grounds."""

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

# Every mark keeps its light colour as an attribute, which any viewer understands; where there is CSS, these rules win
# over it and take the colour's variable instead, which is light or dark. One file so serves a browser and a slide.
RULES = "".join(
    f'[{side}="{value}"] {{ {side}: var(--{name}); }}\n'
    for value, name in {value: name for name, value in COLOURS.items()}.items()
    for side in ("fill", "stroke")
)
RULES += "svg text { font-variant-numeric: tabular-nums; }\n"
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Chart:
    """A drawing, and what is to be seen in words, which screen readers read out.

    Ids are made of the name, which is unique in a report; the title is empty where the text beside it says all.
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
        name, head, said = escape(self.name), 'aria-hidden="true"', ""
        if self.title:
            head = f'id="{name}" role="img" aria-labelledby="{name}-title {name}-desc"'
            said = f'<title id="{name}-title">{escape(self.title)}</title>'
            said += f'<desc id="{name}-desc">{escape(self.description)}</desc>'
        box = 'viewBox="0 0 {:g} {:g}" stroke-linejoin="round"'.format(*self.size)
        return f'<svg class="chart" {box} {head}>{said}{_marks(self.figure, self.name)}</svg>'


def chart_file(charts: Sequence[Chart], title: str, description: str, columns: int = 1) -> str:
    """Set charts side by side, row by row, in a file of its own and on a ground of its own."""
    gap, rim = 18.0, 14.0
    parts, width, y = [], 0.0, rim
    for row in (charts[i : i + columns] for i in range(0, len(charts), columns)):
        x = rim
        for chart in row:
            place = 'x="{:g}" y="{:g}" width="{:g}" height="{:g}"'.format(x, y, *chart.size)
            parts.append(chart.svg.replace('class="chart"', place, 1))
            x += chart.size[0] + gap
        width = max(width, x - gap + rim)
        y += max(chart.size[1] for chart in row) + gap
    height = y - gap + rim
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="title desc" font-family="{_FONTS}">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="desc">{escape(description)}</desc>\n'
        f"<style>\n{asset('colours.css')}{RULES}</style>\n"
        f'<rect width="100%" height="100%" rx="6" fill="{COLOURS["ground"]}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


@styled
def _marks(figure: Figure, name: str) -> str:
    """Return the marks of a drawing: what matplotlib writes, less its frame, its fonts and its names for everything."""
    file = io.BytesIO()
    # Ids are made of the salt and what they stand for: no two charts of a page share one, and they stay the same.
    with matplotlib.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the reader's fonts may have it
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    root = ElementTree.fromstring(file.getvalue())
    root.remove(root[0])  # a style that would reach out of the drawing
    for element in list(root.iter()):
        element.tag, element.tail = element.tag.partition("}")[2], None
        element.text = element.text if element.tag == "text" else None
        element.attrib = _attributes(element)
        if tip := element.attrib.pop("tip", ""):
            element.insert(0, ElementTree.Element("title"))
            element[0].text = tip
    return "".join(ElementTree.tostring(child, encoding="unicode") for child in root)


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    look = dict(part.split(": ", 1) for part in element.attrib.pop("style", "").split("; ") if part)
    found = {key.partition("}")[2] or key: value for key, value in element.attrib.items()}
    if element.tag == "g":
        name = found.pop("id", "")
        return {**found, "tip": name[4:]} if name.startswith("tip ") else found
    if element.tag == "text":
        font = " ".join(look.pop(key, "") for key in ("font", "font-size", "font-weight", "font-family"))
        size = re.search(r"([\d.]+)px", font)
        look["font-size"] = size[1] if size else "12"
        look |= {"font-weight": "600"} if re.search("700|bold", font) else {}
        found.pop("transform", "")  # by no angle
    return {key: _rounded(value) for key, value in sorted((found | look).items())}


def _rounded(value: str) -> str:
    """Round numbers to a hundredth of a unit, below which machines may differ, and join lines."""
    text = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), value)
    return " ".join(re.sub(r"(?<![\w.])-0(?![\w.])", "0", text).split())
