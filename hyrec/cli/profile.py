"""A profile of data as text for the terminal."""

from __future__ import annotations

from hyrec.data.profiling.columns import Columns
from hyrec.data.profiling.figures import Lengths, Values
from hyrec.data.profiling.findings import Finding, in_short
from hyrec.data.profiling.profile import FeatureFigures, Profile
from hyrec.plain_text import table


def as_text(profile: Profile) -> str:
    """Lay out a profile: tables first, then all warnings."""
    if profile.columns is not None:
        return _columns(profile.columns)
    parts = [_splits(profile), _features(profile)]
    if profile.lengths:
        parts.append(_lengths(profile))
    parts += [_costs(profile), *_findings(profile.findings)]
    return "\n\n".join(parts)


def sampled(profile: Profile) -> str:
    """Say of which splits not all rows were read; empty if all were."""
    cut = [f"{name} {f.rows_read:,} of {f.rows:,}" for name, f in profile.splits.items() if f.rows_read < f.rows]
    if not cut:
        return ""
    return f"A sample, spread over the files: {', '.join(cut)} rows. --max_rows 0 reads all."


def share(value: float | None) -> str:
    """Write a share; an empty text for none, and no digits for zero."""
    return "" if value is None else f"{value:.1%}" if value else "0"


def _columns(columns: Columns) -> str:
    rows = []
    for name, c in columns.columns.items():
        lengths = (
            ["", "", ""] if c.lengths is None else [f"{c.lengths[0]:.1f}", f"{c.lengths[1]:.0f}", f"{c.lengths[2]}"]
        )
        distinct = "" if c.distinct is None else f"{c.distinct:,}"
        rows.append([name, c.type, f"{c.null:.1%}", *lengths, distinct, " .. ".join(c.range)])
    read = "" if columns.rows_read == columns.rows else f" (a sample: the first {columns.rows_read:,} were read)"
    header = ["column", "type", "null", "length mean", "p95", "max", "distinct", "range"]
    body = table(header, rows, right=(2, 3, 4, 5, 6))
    return f"{columns.rows:,} rows of {columns.files} file(s){read}\n{body}"


def _splits(profile: Profile) -> str:
    tasks = list(profile.aucs) or list(next(iter(profile.splits.values())).rates)
    last = f"last ({profile.zone})"
    header = ["split", "rows", *(f"{task} rate" for task in tasks), "first", last, "groups"]
    header += [f"both labels: {task}" for task in tasks]
    rows = []
    for name, f in profile.splits.items():
        rates = ["" if (rate := f.rates[task]) is None else f"{rate:.4f}" for task in tasks]
        both = ["" if f.groups is None else share(f.groups.with_both[task]) for task in tasks]
        rows.append(
            [name, f"{f.rows:,}", *rates, f.begin, f.end, "" if f.groups is None else f"{f.groups.count:,}", *both]
        )
    numbers = [i for i, word in enumerate(header) if word not in ("split", "first", last)]
    note = sampled(profile)
    return "\n".join([table(header, rows, right=numbers), *([note] if note else [])])


def _features(profile: Profile) -> str:
    alone = f"AUC alone ({profile.held_out})" if profile.held_out else ""
    header = ["feature", "kind", "missing", "oov", "distinct", "range", "new ids", "PSI", alone]
    rows = [_feature(name, f, best_auc(profile, name)) for name, f in profile.features.items()]
    rows += [_feature(name, f, "") for name, f in profile.sides.items()]
    against = f", train against {profile.compared}" if profile.compared else ""
    first = next(iter(profile.splits))
    return f"Features ({first}{against})\n" + table(header, rows, right=(2, 3, 4, 6, 7, 8))


def best_auc(profile: Profile, name: str) -> str:
    """Return the highest AUC of an input over the tasks, as text; empty where none is known."""
    found = [scores[name] for scores in profile.aucs.values() if name in scores]
    return f"{max(found):.3f}" if found else ""


def number_range(values: Values) -> str:
    """Write the least, median and largest number; empty for ids."""
    return " .. ".join(f"{values.range[i]:.4g}" for i in (0, 2, 4)) if values.range else ""


def _feature(name: str, figures: FeatureFigures, auc: str) -> list[str]:
    first, drift = next(iter(figures.splits.values()), Values(0.0)), figures.drift
    kind = figures.kind if first.lengths is None else f"{figures.kind} (mean {first.lengths.mean:.1f})"
    moved = ["", ""] if drift is None else [share(drift.new_ids), f"{drift.psi:.2f}"]
    return [name, kind, share(first.missing), share(first.oov), f"{first.distinct:,}", number_range(first), *moved, auc]


def _lengths(profile: Profile) -> str:
    header = ["history", "split", "mean", "p50", "p95", "max", "empty", "at max_length", "cut"]
    rows = [[name, split, *length_cells(f)] for name, splits in profile.lengths.items() for split, f in splits.items()]
    return table(header, rows, right=range(2, len(header)))


def length_cells(f: Lengths) -> list[str]:
    """Write mean, median, 95 % and largest length, and the shares that are empty, full and cut."""
    return [f"{f.mean:.1f}", f"{f.p50:.0f}", f"{f.p95:.0f}", f"{f.max:,}", *map(share, (f.empty, f.full, f.cut))]


def _costs(profile: Profile) -> str:
    weights, state = (sum(getattr(t, part) for t in profile.tables.values()) for part in ("weights", "optimizer"))
    dim = next((t.dim for t in profile.tables.values()), 0)
    return (
        f"Memory    tables {size(weights)} at embedding.dim {dim}, {size(state)} of row-wise Adagrad; "
        f"an epoch's rows decoded at most {size(profile.epoch_bytes)}"
    )


def size(count: float) -> str:
    """Write bytes."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.1f} MiB"


def _findings(findings: list[Finding]) -> list[str]:
    if not findings:
        return ["Nothing suspicious was found."]
    return ["\n".join(map(str, in_short(findings)))]
