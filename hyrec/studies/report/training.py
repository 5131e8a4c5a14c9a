"""The section on learning curves."""

from __future__ import annotations

from hyrec.studies.analysis.curves import Curve, average
from hyrec.studies.analysis.results import read_curves
from hyrec.studies.report.blocks import Block, Code, Figure, Section, Table, absent
from hyrec.studies.report.charts import curve_chart
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


def _figure(findings: Findings, logged: str, curves: dict[str, Curve]) -> Figure:
    # The early, steep part of training would hide the rest.
    late = [end for c in curves.values() for part in (c.low, c.high) for end in part[len(part) // 8 :]]
    margin = 0.05 * (max(late) - min(late)) or 0.01
    ends = (min(late) - margin, max(late) + margin)
    charts = []
    for number, variant in enumerate([one for one in curves if one != findings.baseline_of(one)] or list(curves)):
        base = findings.baseline_of(variant)
        behind = curves.get(base) if base != variant else None
        name = f"curve-{slug(logged)}-{number}"
        charts.append(curve_chart(name, variant, logged, findings.tone(variant), curves[variant], behind, ends))
    caption = (
        "Solid: the variant; dashed: its baseline. Lines are means over seeds, bands run from the lowest seed to the "
        "highest. All panels have the same axes."
    )
    rows = tuple(
        (Code(name), fixed(curve.mean[-1]), between(curve.low[-1], curve.high[-1]), f"{curve.steps[-1]:.0f}")
        for name, curve in curves.items()
    )
    table = Table(("Variant", "At the end", "Lowest to highest seed", "Last step"), rows, range(1, 4))
    return Figure(f"{logged} over training steps", tuple(charts), caption, table)
