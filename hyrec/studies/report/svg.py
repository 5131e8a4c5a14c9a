"""Charts as SVG: texts stay texts, and on a page the colours follow its reader into the dark."""

from __future__ import annotations

import functools
import io
import re
import warnings
from dataclasses import dataclass
from html import escape
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure


def asset(name: str) -> str:
    """Read a file that is shipped beside this module."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


COLOURS: dict[str, str] = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6})", asset("colours.css")))
"""Colours for light grounds by name; charts know no other."""


@dataclass(frozen=True)
class Chart:
    """A drawing; its name is unique in a report and is that of its file."""

    name: str
    title: str
    figure: Figure

    @property
    def width(self) -> float:
        """Its width, in CSS pixels."""
        return float(self.figure.bbox.width)

    @property
    def file(self) -> str:
        """The drawing as a file of its own, on a light ground, for any viewer."""
        return self._drawing.replace("fill: none", f"fill: {COLOURS['ground']}", 1)  # of what is drawn first

    @property
    def inline(self) -> str:
        """The drawing as part of a page: in the page's colours, and without ids that other charts have too."""
        dropped = r"<defs>\s*<style.*?</defs>|<g id=\"[^\"]*\""
        svg = re.sub(dropped, lambda m: "<g" if m[0][1] == "g" else "", self._drawing, flags=re.S)
        for colour, name in {colour: name for name, colour in COLOURS.items()}.items():
            svg = svg.replace(colour, f"var(--{name})")
        box = re.search(r'viewBox="[^"]*"', svg)
        head = f'<svg class="chart" {box[0] if box else ""} role="img" aria-label="{escape(self.title)}">'
        return re.sub(r".*?<svg[^>]*>", lambda _: head, svg, count=1, flags=re.S)

    @functools.cached_property
    def _drawing(self) -> str:
        """The drawing on no ground; made once, since layout and drawing are most of what a report takes."""
        file = io.BytesIO()
        # Ids are made of the salt and what they stand for: no two charts of a page share one, and they stay the same.
        with matplotlib.rc_context({"svg.hashsalt": self.name, "svg.fonttype": "none"}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # the reader's fonts may have it
            nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            self.figure.savefig(file, format="svg", facecolor="none", metadata=nothing)
        return file.getvalue().decode()
