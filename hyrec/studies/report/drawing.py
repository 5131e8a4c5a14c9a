"""Line drawings as SVG: marks take their colours from the classes of ``chart.css``, never from the code."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Literal

Shape = Literal["circle", "square", "diamond", "up", "down"]
Anchor = Literal["start", "middle", "end"]
Place = float | str
"""Units of the drawing, or a percentage of its width or height such as ``"40%"``."""

CHARACTER_WIDTH = 0.62
"""Width of a character in multiples of the font size: generous for the usual sans-serif fonts."""
FONT_SIZE = 12.0


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Estimate how wide a text is, in units of the drawing; on the large side."""
    return len(text) * CHARACTER_WIDTH * size


def shorten(text: str, characters: int) -> str:
    """Cut a text that is too long in the middle, where names of variants differ least.

    Example:
        >>> shorten("longer_rankmixer@d_model=128", 20)
        'longer_ran…model=128'
    """
    if len(text) <= characters:
        return text
    head = characters // 2
    return f"{text[:head]}…{text[len(text) - (characters - head - 1) :]}"


def place(value: Place) -> str:
    """Write a coordinate, to a hundredth of a unit."""
    if isinstance(value, str):
        return value
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Drawing:
    """A drawing that grows mark by mark, later marks above earlier ones.

    Args:
        name: Folder-safe name, unique in a page; ids of title and description are made of it.
        title: What is drawn, read out by screen readers.
        description: What is to be seen, read out after the title.
        width: Width, in units.
        height: Height, in units.
    """

    def __init__(self, name: str, title: str, description: str, width: float, height: float) -> None:
        self.name = name
        self.title = title
        self.description = description
        self.width = width
        self.height = height
        self._marks: list[str] = []

    def line(self, x1: Place, y1: Place, x2: Place, y2: Place, css: str) -> None:
        """Draw a straight line."""
        ends = f'x1="{place(x1)}" y1="{place(y1)}" x2="{place(x2)}" y2="{place(y2)}"'
        self._marks.append(f'<line class="{css}" {ends}/>')

    def path(self, points: Sequence[tuple[float, float]], css: str, *, closed: bool = False) -> None:
        """Draw a line through points, or the area that they enclose."""
        steps = " ".join(f"{place(x)},{place(y)}" for x, y in points)
        self._marks.append(f'<{"polygon" if closed else "polyline"} class="{css}" points="{steps}"/>')

    def rect(self, x: Place, y: Place, width: Place, height: Place, css: str, *, tip: str = "") -> None:
        """Draw a box; ``tip`` is shown by the browser when the pointer rests on it."""
        sides = f'x="{place(x)}" y="{place(y)}" width="{place(width)}" height="{place(height)}"'
        self._marks.append(f'<rect class="{css}" {sides}>{_tip(tip)}</rect>')

    def marker(self, shape: Shape, x: Place, y: Place, css: str, *, size: float = 4.5, tip: str = "") -> None:
        """Draw a point; ``tip`` is shown by the browser when the pointer rests on it."""
        s = size
        outlines: dict[Shape, list[tuple[float, float]]] = {
            "square": [(-0.85 * s, -0.85 * s), (0.85 * s, -0.85 * s), (0.85 * s, 0.85 * s), (-0.85 * s, 0.85 * s)],
            "diamond": [(0, -1.25 * s), (1.25 * s, 0), (0, 1.25 * s), (-1.25 * s, 0)],
            "up": [(0, -1.15 * s), (1.1 * s, 0.85 * s), (-1.1 * s, 0.85 * s)],
            "down": [(0, 1.15 * s), (1.1 * s, -0.85 * s), (-1.1 * s, -0.85 * s)],
        }
        if shape == "circle":
            mark = f'<circle class="{css}" r="{place(s)}">{_tip(tip)}</circle>'
        else:
            steps = " ".join(f"{place(px)},{place(py)}" for px, py in outlines[shape])
            mark = f'<polygon class="{css}" points="{steps}">{_tip(tip)}</polygon>'
        self._marks.append(f'<svg class="mark" x="{place(x)}" y="{place(y)}" overflow="visible">{mark}</svg>')

    def text(self, x: Place, y: Place, content: str, css: str = "label", *, anchor: Anchor = "start") -> None:
        """Write a text whose baseline is at ``y``; its size is that of its class."""
        self._marks.append(
            f'<text class="{css}" x="{place(x)}" y="{place(y)}" text-anchor="{anchor}">{escape(content)}</text>'
        )

    def body(self) -> str:
        """All marks, without a frame."""
        return "".join(self._marks)

    def inline(self) -> str:
        """The drawing as part of a page that holds ``chart.css``."""
        name = escape(self.name)
        return (
            f'<svg class="chart" id="{name}" viewBox="0 0 {place(self.width)} {place(self.height)}" role="img" '
            f'aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{escape(self.title)}</title>'
            f'<desc id="{name}-desc">{escape(self.description)}</desc>{self.body()}</svg>'
        )


def standalone(panels: Sequence[Drawing], title: str, description: str, *, columns: int = 1) -> str:
    """Set drawings side by side in a file of its own, readable on light and dark pages alike.

    The file paints its own ground and follows the reader's preference for light or dark.

    Args:
        panels: Drawings, row by row.
        title: What the file shows.
        description: What is to be seen.
        columns: Drawings a row.
    """
    gap, rim = 18.0, 14.0
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    width = max(sum(p.width for p in row) + gap * (len(row) - 1) for row in rows) + 2 * rim
    height = sum(max(p.height for p in row) for row in rows) + gap * (len(rows) - 1) + 2 * rim
    parts = []
    y = rim
    for row in rows:
        x = rim
        for panel in row:
            box = f'x="{place(x)}" y="{place(y)}" width="{place(panel.width)}" height="{place(panel.height)}"'
            parts.append(f'<svg {box} overflow="visible"><title>{escape(panel.title)}</title>{panel.body()}</svg>')
            x += panel.width + gap
        y += max(p.height for p in row) + gap
    size = f'width="{place(width)}" height="{place(height)}" viewBox="0 0 {place(width)} {place(height)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="desc">{escape(description)}</desc>\n'
        f"<style>\n{asset('colours.css')}{asset('chart.css')}</style>\n"
        f'<rect class="ground" width="100%" height="100%" rx="6"/>\n{"".join(parts)}\n</svg>\n'
    )


def asset(name: str) -> str:
    """Read a file that is shipped beside this module."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _tip(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""
