"""The section on baselines that ``hyrec baseline --out`` left in the study's folder."""

from __future__ import annotations

import itertools
import json
import statistics

from hyrec.studies.analysis.results import CellResult
from hyrec.studies.analysis.scores import OtherRowsError, Scores, check_same_rows
from hyrec.studies.report.blocks import Block, Code, Inline, Section, Table, Text
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import MISSING, fixed

BASELINES_FILE = "baselines.json"


def baselines_section(findings: Findings) -> Section | None:
    """Show the baselines' test metrics beside those of the study's baseline; None where there are none."""
    folder, metrics = findings.results.folder, findings.study.metrics
    path = folder / BASELINES_FILE
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    baselines = {
        name: [
            CellResult(name, r["seed"], folder / "baselines" / name / f"s{r['seed']}", r["metrics"], r["seconds"])
            for r in runs
        ]
        for name, runs in found["baselines"].items()
    }
    trained = list(findings.results.cells.values())
    content: Block
    if asked := sorted({cell.primary_task for cell in trained if cell.primary_task} - {found["task"]}):
        content = Text(f"Not shown: they predict {found['task']!r}, and the study {', '.join(asked)}.")
    elif not _are_of_the_same_rows([*trained, *itertools.chain(*baselines.values())], found["task"]):
        content = Text("Not shown: they were measured on other test rows than the study's.")
    else:
        first = findings.study.baseline
        own = [cell for cell in trained if cell.variant == first]
        rows = [_row(first, own, metrics), *(_row(name, cells, metrics) for name, cells in baselines.items())]
        header = ("", *map(Code, metrics), "Seeds")
        caption = "Mean over seeds, ± standard deviation; the first row is the study's baseline."
        content = Table(header, tuple(rows), range(1, len(header)), caption)
    return Section("baselines", "Against a sceptic's baselines", (content,))


def _row(name: str, cells: list[CellResult], metrics: tuple[str, ...]) -> tuple[Inline, ...]:
    shown = []
    for metric in metrics:
        values = [cell.metrics[metric] for cell in cells if metric in cell.metrics]
        spread = f" ± {fixed(statistics.stdev(values))}" if len(values) > 1 else ""
        shown.append(f"{fixed(statistics.fmean(values))}{spread}" if values else MISSING)
    return (Code(name), *shown, str(len(cells)))


def _are_of_the_same_rows(cells: list[CellResult], task: str) -> bool:
    """Compare the test rows of the cells that saved their predictions."""
    first: Scores | None = None
    for cell in cells:
        try:
            if (scores := cell.scores(task)) is None:
                continue
            first = first or scores
            check_same_rows(first, scores)
        except OtherRowsError:
            return False
        except ValueError:  # damaged predictions, which the comparison tells of
            continue
    return True
