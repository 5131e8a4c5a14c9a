"""The sections on training: learning curves and run times."""

from __future__ import annotations

from collections.abc import Mapping

from hyrec.plain_text import duration
from hyrec.studies.analysis.curves import Curve, average
from hyrec.studies.analysis.results import read_curves
from hyrec.studies.report.blocks import Block, Code, Figure, Section, Table, absent
from hyrec.studies.report.charts import curve_chart, curve_limits
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import between, fixed, slug


def curves_section(findings: Findings) -> Section:
    """Draw the validation metric and the training loss of every variant over its baseline's."""
    logs = {key: read_curves(cell.folder) for key, cell in findings.results.cells.items()}
    wanted = f"val/{findings.metric}"
    validation = sorted({name for log in logs.values() for name in log if name.startswith("val/")})
    blocks: list[Block] = []
    if not validation:
        blocks.append(absent(f"No curve of {wanted}: no cell logged a validation metric."))
    for logged in (*([wanted] if wanted in validation else validation[:1]), "train/loss"):
        curves: dict[str, Curve] = {}
        for name in (variant.name for variant in findings.study.variants):
            seeds = findings.results.seeds_of(name)
            if curve := average([logs[name, seed].get(logged, []) for seed in seeds]):
                curves[name] = curve
        missing = absent(f"No curve of {logged}: no cell logged it.")
        blocks.append(_figure(findings, logged, curves) if curves else missing)
    return Section("curves", "Learning curves", tuple(blocks))


def _figure(findings: Findings, logged: str, curves: Mapping[str, Curve]) -> Figure:
    ends = curve_limits(list(curves.values()))
    name = f"curves-{slug(logged)}"
    charts = []
    for number, variant in enumerate([one for one in curves if one != findings.baseline_of(one)] or list(curves)):
        base = findings.baseline_of(variant)
        behind = (base, curves[base]) if base != variant and base in curves else None
        shown = (variant, logged, findings.tone(variant), curves[variant], behind, ends)
        charts.append(curve_chart(f"curve-{slug(logged)}-{number}", *shown))
    caption = (
        "Solid: the variant; dashed: its baseline. Lines are means over seeds, bands run from the lowest seed to the "
        "highest. All panels have the same axes."
    )
    said = "; ".join(f"{name} ends at {fixed(curve.mean[-1])}" for name, curve in curves.items())
    rows = []
    for variant, curve in curves.items():
        quarters = (fixed(curve.mean[round(share * (len(curve.mean) - 1))]) for share in (0.25, 0.5, 0.75, 1.0))
        rows.append((Code(variant), *quarters, between(curve.low[-1], curve.high[-1]), f"{curve.steps[-1]:.0f}"))
    header = ("Variant", "at a quarter", "half", "three quarters", "end", "seeds at the end", "last step")
    table = Table(header, tuple(rows), range(1, 7), f"{logged}, mean over seeds")
    return Figure(name, f"{logged} over training steps", f"{said}.", tuple(charts), caption, 3, table)


def runtimes_section(findings: Findings) -> Section | None:
    """List how long the cells took; None when none has finished."""
    rows, total = [], 0.0
    for variant in findings.study.variants:
        seconds = [findings.results.cells[variant.name, s].seconds for s in findings.results.seeds_of(variant.name)]
        if seconds:
            total += sum(seconds)
            times = (duration(sum(seconds) / len(seconds)), between(min(seconds), max(seconds), duration))
            rows.append((Code(variant.name), str(len(seconds)), *times, duration(sum(seconds))))
    caption = (
        f"Wall time of whole cells: start, training, validation and test; {duration(total)} in all. Cells that ran "
        "side by side, or beside other work, took longer than they would alone."
    )
    header = ("Variant", "Cells", "Mean", "Shortest to longest", "All")
    table = Table(header, tuple(rows), range(1, 5), caption)
    return Section("times", "Run times", (table,)) if rows else None
