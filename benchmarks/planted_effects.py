"""How much of each planted effect the variants of a study on the simulated log have found.

    python benchmarks/planted_effects.py runs/studies/hyformer_table2

Regresses the predicted log-odds of the test rows on what each planted effect adds to the true log-odds (least squares,
all effects at once). 1 means that an effect is known exactly, 0 that nothing of it was found; an effect that is
correlated with another lends it some of its own. Mean ± sd over seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import yaml

from hyrec.data.simulation.log import Log, generate
from hyrec.data.simulation.spec import SimulatorSpec, Strengths
from hyrec.studies.analysis.results import CellResult, read_results


def simulator_of(cell: CellResult) -> SimulatorSpec:
    """Return the options of the log that a cell was trained on."""
    data = yaml.safe_load((cell.folder / "config.yaml").read_text())["data"]
    if not data["class_path"].endswith("SimulatedData"):
        raise SystemExit(f"{cell.folder}: effects are known for SimulatedData only, not for {data['class_path']}.")
    options = dict(data["init_args"]["simulator"])
    return SimulatorSpec(**{**options, "strengths": Strengths(**options["strengths"])})


def coefficients(cell: CellResult, log: Log) -> dict[str, float]:
    """Return the share of every effect that the cell's predictions carry."""
    scores = cell.scores()
    if scores is None:
        raise SystemExit(f"{cell.folder} has no predictions.")
    rows = log.samples_of("test")
    score = scores.score
    if not np.array_equal(scores.label, log.clicked[rows]):
        raise SystemExit(f"{cell.folder}: the labels are not those of the simulated test rows.")
    logit = np.log(score) - np.log1p(-score)
    terms = {name: term[rows] for name, term in log.terms.items() if term.any()}
    design = np.column_stack([np.ones(len(logit)), *terms.values()])
    found, *_ = np.linalg.lstsq(design, logit, rcond=None)
    return dict(zip(terms, found[1:].tolist(), strict=True))


def main() -> None:
    """Print one row a variant."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path, help="folder of a study")
    results = read_results(parser.parse_args().study)
    logs: dict[SimulatorSpec, Log] = {}
    found: dict[str, list[dict[str, float]]] = {}
    for (variant, _), cell in sorted(results.cells.items()):
        spec = simulator_of(cell)
        if spec not in logs:
            logs[spec] = generate(spec)
        found.setdefault(variant, []).append(coefficients(cell, logs[spec]))
    names = list(next(iter(found.values()))[0])
    print("| variant | seeds | " + " | ".join(names) + " |")
    print("|" + "---|" * (len(names) + 2))
    for variant in (v.variant.name for v in results.plan.variants):
        if values := found.get(variant):
            cells = [[v[name] for v in values] for name in names]
            text = [f"{np.mean(c):.2f}" + (f" ± {np.std(c, ddof=1):.2f}" if len(c) > 1 else "") for c in cells]
            print(f"| {variant} | {len(values)} | " + " | ".join(text) + " |")


if __name__ == "__main__":
    main()
