"""Train several configs with several seeds and print one table of their test metrics.

    python benchmarks/compare.py --overlay configs/data/kuairand.yaml --seeds 0 1 2

Each run is a ``hyrec fit`` of its own, one after the other, in ``runs/compare/<name>/<config>/s<seed>``; a run that
has finished is not repeated. The seed decides initialisation and data order, so seeds are paired between configs.
Parameters and FLOPs per sample are those of ``hyrec inspect``.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

METRICS = ("auc", "query_auc", "gauc", "logloss")


def hyrec(*arguments: str, capture: bool = False) -> str:
    done = subprocess.run([sys.executable, "-m", "hyrec", *arguments], check=True, text=True, capture_output=capture)
    return done.stdout or ""


def configs_of(config: str, overlays: list[str]) -> list[str]:
    return [part for path in [config, *overlays] for part in ("--config", path)]


def run(config: str, overlays: list[str], seed: int, folder: Path, extra: list[str]) -> dict[str, float]:
    result = folder / "result.json"
    if not result.exists():
        start = time.perf_counter()
        seeds = ["--seed_everything", str(seed), "--data.seed", str(seed)]
        where = ["--trainer.default_root_dir", str(folder), "--trainer.enable_progress_bar", "false"]
        hyrec("fit", *configs_of(config, overlays), *seeds, *where, *extra)
        with (folder / "metrics.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row.get("test/auc")]
        figures = {name: float(rows[-1][f"test/{name}"]) for name in METRICS if rows[-1].get(f"test/{name}")}
        result.write_text(json.dumps({**figures, "seconds": time.perf_counter() - start}))
    content: dict[str, float] = json.loads(result.read_text())
    return content


def cell(values: list[float], digits: int = 4) -> str:
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", nargs="+", default=["hyformer", "longer_rankmixer", "longer", "rankmixer"])
    parser.add_argument("--overlay", action="append", default=[], help="config on top of each; repeatable")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--name", default="", help="folder under runs/compare; default: the first overlay's name")
    parser.add_argument("extra", nargs="*", help="options for every hyrec fit, after --")
    given = parser.parse_args()
    name = given.name or (Path(given.overlay[0]).stem if given.overlay else "simulated")
    root = Path("runs/compare") / name
    lines = ["| config | dense parameters | FLOPs per sample | " + " | ".join(METRICS) + " | minutes a run |"]
    lines.append("|" + "---|" * (len(METRICS) + 4))
    for config in given.configs:
        path = f"configs/{config}.yaml"
        size = json.loads(hyrec("inspect", *configs_of(path, given.overlay), "--json", capture=True))
        runs = []
        for seed in given.seeds:
            folder = root / config / f"s{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            runs.append(run(path, given.overlay, seed, folder, given.extra))
        figures = [cell([r[m] for r in runs]) if all(m in r for r in runs) else "" for m in METRICS]
        minutes = cell([r["seconds"] / 60 for r in runs], 1)
        lines.append(
            f"| {config} | {size['dense_parameters']:,} | {size['flops_per_sample'] / 1e6:.1f} M | "
            + " | ".join(figures)
            + f" | {minutes} |"
        )
    print(f"Test metrics, mean ± sd over seeds {given.seeds}:\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
