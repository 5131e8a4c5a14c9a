"""A profile of data as one page: charts and tables in the look of a study's report."""

from __future__ import annotations

from pathlib import Path

from hyrec.cli.profile import best_auc, length_cells, number_range, sampled, share, size
from hyrec.cli.profile_rates import rates_section
from hyrec.data.profiling.checks import MUCH_NEW, MUCH_PSI
from hyrec.data.profiling.drift import Drift
from hyrec.data.profiling.figures import Values
from hyrec.data.profiling.findings import Finding, in_short
from hyrec.data.profiling.leaks import FAR_AUC, FAR_GAP, LEAK_AUC
from hyrec.data.profiling.profile import FeatureFigures, Profile
from hyrec.studies.report.blocks import Block, Bullets, Code, Document, Figure, Inline, Section, Strong, Table, Text
from hyrec.studies.report.charts import bar_chart
from hyrec.studies.report.numbers import slug
from hyrec.studies.report.pages import html

_BARS = 15


def page(profile: Profile) -> str:
    """Return the page; it needs nothing but itself."""
    return html(_document(profile), Path(profile.name))


def _document(profile: Profile) -> Document:
    name = Path(profile.name).name
    if profile.columns is not None:
        c = profile.columns
        facts = (f"{c.rows:,} rows", f"{c.rows_read:,} rows read", f"{c.files} files", f"{len(c.columns)} columns")
        lead = (Text("No schema was given, so only columns are described: labels, drift and leaks need one."),)
        return Document(name, "What do the columns hold?", facts, lead, (_columns_section(profile),), "Data profile")
    rows = ", ".join(f"{split} {figures.rows:,}" for split, figures in profile.splits.items())
    shapes = (f"rows: {rows}", f"{len(profile.features)} features", f"{len(profile.lengths)} histories")
    question = "What does this data set hold, and does anything in it know the label too early?"
    sections = [write(profile) for write in (rates_section, _features_section, _history_section, _costs_section)]
    shown = (*(section for section in sections if section is not None), _method_section(profile))
    return Document(name, question, shapes, _lead(profile), shown, "Data profile")


def _lead(profile: Profile) -> tuple[Block, ...]:
    leaks = [finding for finding in profile.findings if finding.is_leak]
    notes = [finding for finding in in_short(profile.findings) if not finding.is_leak]
    many = f"{len(leaks)} suspected leak{'' if len(leaks) == 1 else 's'}"
    out: list[Block] = []
    if leaks:
        out.append(Bullets(tuple(map(_told, leaks)), f"{many}: settle these before you trust a figure"))
    else:
        out.append(Text((Strong("No leak is suspected."), " What was looked for is told at the end.")))
    if notes:
        out += [Text("Worth knowing:"), Bullets(tuple(map(_told, notes)))]
    note = sampled(profile)
    return (*out, Text(note, small=True)) if note else tuple(out)


def _told(finding: Finding) -> Inline:
    where = finding.where if " " in finding.where else Code(finding.where)
    return where, f": {finding.told} {finding.advice}"


def _features_section(profile: Profile) -> Section:
    blocks: list[Block] = []
    for task, scores in profile.aucs.items():
        top = sorted(scores.items(), key=lambda item: -item[1])[:_BARS]
        title = f"AUC of one input alone, for {task}"
        chart = bar_chart(f"auc-{slug(task)}", title, top, f"AUC on {profile.held_out}", mark=LEAK_AUC, start=0.5)
        blocks.append(Figure(title, (chart,), "Rates are counted on training rows and judged on others; .5 is chance."))
    drifts = {n: f.drift for n, f in (profile.features | profile.sides).items() if f.drift is not None}
    moved = [(name, drift.psi) for name, drift in sorted(drifts.items(), key=lambda item: -item[1].psi)[:_BARS]]
    if moved:
        title = f"Drift between train and {profile.compared}"
        chart = bar_chart("psi", title, moved, "PSI", mark=MUCH_PSI)
        blocks.append(Figure(title, (chart,), f"Below .1 is little; the dotted line at {MUCH_PSI} and beyond is much."))
    first, last = next(iter(profile.splits)), list(profile.splits)[-1]
    rows = tuple(_feature_row(name, f, first, last, best_auc(profile, name)) for name, f in profile.features.items())
    caption = f"All features: {first}, and where named so {last}; shares of values. Ids covered: of {last}, by {first}."
    blocks.append(Table(("Feature", *_header(last), "Least .. median .. most"), rows, range(2, 12), caption))
    return Section("features", "Features", tuple(blocks))


def _header(last: str) -> tuple[str, ...]:
    names = ("Missing", f"Missing {last}", "OOV", f"OOV {last}", "Distinct", "Ids covered", "New ids")
    return ("Kind", "AUC alone", "PSI", *names)


def _feature_row(name: str, f: FeatureFigures, first: str, last: str, auc: str) -> tuple[Inline, ...]:
    before, after = f.splits.get(first, Values(0.0)), f.splits.get(last, Values(0.0))
    drift = f.drift or Drift(float("nan"), 0.0)
    return (
        *(Code(name), f.kind, auc, "" if f.drift is None else f"{drift.psi:.2f}"),
        *(share(before.missing), share(after.missing), share(before.oov), share(after.oov), f"{before.distinct:,}"),
        *(share(drift.coverage), share(drift.new_ids), number_range(before)),
    )


def _history_section(profile: Profile) -> Section | None:
    lists = {n: {s: v.lengths for s, v in f.splits.items() if v.lengths} for n, f in profile.features.items()}
    every = profile.lengths | {name: lengths for name, lengths in lists.items() if lengths}
    if not every:
        return None
    rows = tuple((Code(name), split, *length_cells(f)) for name, splits in every.items() for split, f in splits.items())
    header = ("History or list", "Split", "Mean", "p50", "p95", "Max", "Empty", "At max_length", "Longer")
    caption = (
        "Lengths in entries. “At max_length” counts those as long as what is kept, or longer; a built data set was cut "
        "when it was built, so there it is what may have been cut. “Longer” are cut when they are read."
    )
    first, last = next(iter(profile.splits)), list(profile.splits)[-1]
    blocks: list[Block] = [Table(header, rows, range(2, 9), caption)]
    if profile.sides:
        sides = [_feature_row(name, f, first, last, "") for name, f in profile.sides.items()]
        kept = [0, 1, *range(3, 11)]  # no AUC, no range
        heads = ("Feature of events", *_header(last))
        cells = tuple(tuple(row[i] for i in kept) for row in sides)
        blocks.append(Table(tuple(heads[i] for i in kept), cells, range(2, 10), "What the events of histories hold."))
    return Section("lengths", "Histories and lists", tuple(blocks))


def _costs_section(profile: Profile) -> Section:
    rows: list[tuple[Inline, ...]] = [
        (Code(n), f"{t.rows:,}", str(t.dim), size(t.weights), size(t.optimizer)) for n, t in profile.tables.items()
    ]
    total = [sum(getattr(t, part) for t in profile.tables.values()) for part in ("rows", "weights", "optimizer")]
    rows.append(("all", f"{total[0]:,}", "", size(total[1]), size(total[2])))
    said = f"All training rows of an epoch, decoded, take at most {size(profile.epoch_bytes)}; they are streamed."
    caption = "Weights in float32 at the default embedding.dim; row-wise Adagrad keeps one number a row."
    table = Table(("Table", "Rows", "Width", "Weights", "Optimizer"), tuple(rows), range(1, 5), caption)
    return Section("costs", "Memory", (Text(said), table))


def _method_section(profile: Profile) -> Section:
    handled = [
        (split, *key.split(": ", 1), f"{n:,}") for split, f in profile.splits.items() for key, n in f.handled.items()
    ]
    sought: tuple[Inline, ...] = (
        f"One input that predicts the label: AUC above {LEAK_AUC} on held-out rows, or above {FAR_AUC} and {FAR_GAP} "
        "ahead of the others. Ids are scored by the label rate of training rows, numbers by value and by 64 bins.",
        "A feature with two values, one for each label; a feature or history that is there, or missing, for one label.",
        "Events of a history at or after the impression; the newest event being the impression itself.",
        "Labels that never change in a split, an empty split, rows of a split before the end of an earlier one.",
        f"PSI above {MUCH_PSI} and more than chance makes; more than {MUCH_NEW:.0%} of values with new ids.",
        "Rows that repeat another in every value (of histories, length and ends), or user, item, time.",
    )
    blocks: list[Block] = [Bullets(sought)]
    if handled:
        header = ("Split", "Column", "What the reader did", "Values")
        blocks.append(Table(header, tuple((s, Code(c), r, n) for s, c, r, n in handled), (3,)))
    return Section("method", "What was looked for", tuple(blocks))


def _columns_section(profile: Profile) -> Section:
    assert profile.columns is not None
    rows = []
    for name, c in profile.columns.columns.items():
        lengths = (
            ["", "", ""] if c.lengths is None else [f"{c.lengths[0]:.1f}", f"{c.lengths[1]:.0f}", f"{c.lengths[2]:,}"]
        )
        distinct = "" if c.distinct is None else f"{c.distinct:,}"
        rows.append((Code(name), Code(c.type), share(c.null), *lengths, distinct, " .. ".join(c.range)))
    header = ("Column", "Type", "Null", "Length, mean", "p95", "Max", "Distinct", "Range")
    return Section("columns", "Columns", (Table(header, tuple(rows), range(2, 7)),))
