"""The paper's printed figures beside ours: both as relative changes, since levels of two data sets say nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.report.axis import Axis
from hyrec.studies.report.blocks import Block, Code, Figure, Inline, Section, Table, Text, Tone
from hyrec.studies.report.drawing import Drawing, shorten
from hyrec.studies.report.findings import Findings, tone_of
from hyrec.studies.report.forest import MARKERS
from hyrec.studies.report.numbers import fixed, percent

_WIDTH, _ROW, _TOP = 400.0, 34.0, 76.0
_PLOT = (150.0, 388.0)


@dataclass(frozen=True)
class PaperRow:
    """A variant's relative change to the baseline, here and in the paper.

    Args:
        variant: Variant.
        tone: Its verdict here.
        verdict: The same in words.
        ours: Relative change here; None when there is none.
        low: Lower end of its interval over seeds; NaN without one.
        high: Upper end.
        ours_above_chance: The same change by the other convention.
        paper: Relative change in the paper.
        paper_above_chance: The same by the other convention; None where the printed baseline is at chance.
        printed: Figure that the paper prints for the variant.
    """

    variant: str
    tone: Tone
    verdict: str
    ours: float | None
    low: float
    high: float
    ours_above_chance: float | None
    paper: float
    paper_above_chance: float | None
    printed: float

    @property
    def agreement(self) -> str:
        """Whether the direction found here is the paper's, in words."""
        if self.verdict not in ("better", "worse"):
            return "not decided here"
        if not self.paper:
            return "none in the paper"
        return "same direction" if (self.ours or 0) * self.paper > 0 else "other direction"


def paper_section(findings: Findings) -> Section | None:
    """Set our relative changes beside the paper's; None when the study names no printed figures."""
    facts = findings.results.facts
    metrics = [m for m in findings.comparisons if paper_rows(findings, m) and facts(m).chance is not None]
    if not any(variant.paper for variant in findings.study.variants):
        return None
    if not metrics:
        reason = "The study gives figures of the paper, but none for both a variant and its baseline on a compared AUC."
        return Section("paper", "Beside the paper", (Text(reason, small=True),))
    intro = (
        "The paper's data is another, so its levels are not comparable with ours; what can be compared is the "
        "direction of a change, and with care its size. Relative change is AUC / AUC of the baseline − 1, as the paper "
        "prints it."
    )
    blocks: list[Block] = [Text(intro)]
    for metric in metrics:
        rows = paper_rows(findings, metric)
        caption = "Filled: here, with its 95 % interval over seeds. Open diamond: the paper, which prints no interval."
        said = "; ".join(f"{row.variant}: here {percent(row.ours)}, paper {percent(row.paper)}" for row in rows)
        title = f"Relative change of {metric} to {findings.study.baseline}, here and in the paper"
        heading = f"{metric}, relative to {findings.study.baseline}"
        drawing = _drawing(rows, title, shorten(heading, 50), f"{said}.", f"paper-{metric.replace('/', '-')}-chart")
        name = f"paper-{metric.replace('/', '-')}"
        blocks.append(Figure(name, title, f"{said}.", (drawing,), caption, 1))
        blocks.append(_table(rows, metric))
    return Section("paper", "Beside the paper", tuple(blocks))


def paper_rows(findings: Findings, metric: str) -> list[PaperRow]:
    """Return a row for each variant for which the paper prints the metric, as for its baseline."""
    rows = []
    for row in findings.comparisons[metric]:
        variant = findings.study.variant(row.variant)
        printed = variant.paper.get(metric)
        base = findings.study.baseline_of(variant).paper.get(metric)
        if row.is_baseline or printed is None or not base:
            continue
        rows.append(_paper_row(row, tone_of(row.verdict), printed, base))
    return rows


def _paper_row(row: ComparisonRow, tone: Tone, printed: float, base: float) -> PaperRow:
    level = _baseline_level(row)
    known = row.interval is not None and row.interval.known and level
    low, high = (
        (row.interval.low / level, row.interval.high / level) if known and row.interval else (math.nan, math.nan)
    )
    return PaperRow(
        variant=row.variant,
        tone=tone,
        verdict=row.verdict,
        ours=row.relative_auc,
        low=low,
        high=high,
        ours_above_chance=row.relative_auc_above_chance,
        paper=printed / base - 1,
        paper_above_chance=(printed - 0.5) / (base - 0.5) - 1 if base != 0.5 else None,
        printed=printed,
    )


def _baseline_level(row: ComparisonRow) -> float:
    """Mean of the baseline over the seeds that both have."""
    shared = [row.values[seed] - row.differences[seed] for seed in row.differences]
    return sum(shared) / len(shared) if shared else 0.0


def _table(rows: list[PaperRow], metric: str) -> Table:
    header = ("Variant", "here", "95 % over seeds", "paper", "here, above chance", "paper, above chance")
    lines: list[tuple[Inline, ...]] = [
        (
            Code(row.variant),
            percent(row.ours),
            f"[{percent(row.low)}, {percent(row.high)}]" if math.isfinite(row.low) else "–",
            percent(row.paper),
            percent(row.ours_above_chance),
            percent(row.paper_above_chance),
            fixed(row.printed),
            row.agreement,
        )
        for row in rows
    ]
    caption = (
        f"Relative change of {metric}. Above chance: (AUC − 0.5) / (AUC of the baseline − 0.5) − 1. "
        "The figure printed in the paper is not comparable in level."
    )
    return Table((*header, "printed", "direction"), tuple(lines), frozenset(range(1, 7)), caption)


def _drawing(rows: list[PaperRow], title: str, heading: str, said: str, name: str) -> Drawing:
    bottom = _TOP + _ROW * len(rows)
    drawing = Drawing(name, title, said, _WIDTH, bottom + 8)
    ends = [100 * v for row in rows for v in (row.ours or 0.0, row.low, row.high, row.paper, 0.0)]
    axis = Axis.around(ends, *_PLOT)
    drawing.text(0, 13, heading, "heading")
    drawing.text(_PLOT[0], 37, "← worse", "label")
    drawing.text(_PLOT[1], 37, "better →", "label", anchor="end")
    ticks = axis.ticks(4)
    for tick, label in zip(ticks, axis.labels(ticks), strict=True):
        drawing.text(axis(tick), 60, f"{label} %", "small", anchor="middle")
        drawing.line(axis(tick), 65, axis(tick), 70, "axis")
    drawing.line(0, 70, _WIDTH, 70, "axis")
    drawing.line(axis(0), 70, axis(0), bottom, "zero")
    for number, row in enumerate(rows):
        y = _TOP + _ROW * (number + 0.5)
        drawing.text(0, y + 4, shorten(row.variant, 18), "strong")
        if math.isfinite(row.low):
            drawing.line(axis(100 * row.low), y - 5, axis(100 * row.high), y - 5, f"line-{row.tone} seeds")
        if row.ours is not None:
            drawing.marker(MARKERS[row.tone], axis(100 * row.ours), y - 5, f"fill-{row.tone}")
        tip = f"paper: {percent(row.paper)}"
        drawing.marker("diamond", axis(100 * row.paper), y + 7, "hollow-baseline", size=3.5, tip=tip)
        drawing.line(0, y + _ROW / 2, _WIDTH, y + _ROW / 2, "grid")
    return drawing
