"""The figures of the README: HyFormer after one epoch and counting, on the test ratings of MovieLens-100K.

python -m hyrec_movielens.figures --path recbole-1.2.1-py3-none-any.whl --seeds 3
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import warnings
from importlib import resources

# Lightning calls jsonargparse functions that are about to change; it reads this when it is imported.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

from lightning import Trainer

from hyrec.baselines import CountingBaseline
from hyrec.config.experiment import Experiment
from hyrec.data.parquet.data import ParquetData
from hyrec.metrics import default_metrics
from hyrec.schema import Schema
from hyrec_movielens.archive import find_archive
from hyrec_movielens.dataset import ensure_built

NUM_USERS = 943
METRICS = ("auc", "query_auc", "gauc", "logloss", "ne", "pcoc")


def count(path: str = "") -> dict[str, float]:
    """Return the test figures of counting; unlike the model it may also count the user's id.

    Args:
        path: MovieLens-100K, as in ``MovieLensData``.
    """
    folder = ensure_built(find_archive(path))
    content = Schema.load(folder / "schema.yaml").to_dict()
    content["features"]["user_id"] = {"vocab_size": NUM_USERS + 3, "offset": 2, "role": "user", "group": "user"}
    schema = Schema.from_dict(content)
    train, test = str(folder / "train.parquet"), str(folder / "test.parquet")
    data = ParquetData(schema, train=train, test=test, batch_size=4096)
    baseline = CountingBaseline(schema, "like").fit(data.scan("train"))
    metrics = default_metrics()
    for batch in data.scan("test"):
        for metric in metrics.values():
            metric.update(baseline.predict(batch), batch.labels["like"], group=batch.group)
    return {name: metric.compute().item() for name, metric in metrics.items()}


def train(path: str = "", seed: int = 0) -> dict[str, float]:
    """Train the shipped config for one epoch and return its test figures.

    Args:
        path: MovieLens-100K, as in ``MovieLensData``.
        seed: Seed of initial values and of the order.
    """
    config = resources.files("hyrec_movielens") / "hyformer_movielens.yaml"
    options = [f"--data.init_args.path={path}"] if path else []
    experiment = Experiment.parse([f"--config={config}", f"--seed_everything={seed}", *options])
    off = dict.fromkeys(("enable_progress_bar", "enable_checkpointing", "enable_model_summary", "logger"), False)
    data, model = experiment.data(), experiment.model()
    trainer = Trainer(**{**experiment.options["trainer"], **off})
    trainer.fit(model, data)
    (figures,) = trainer.test(model, data, verbose=False)
    return {name.removeprefix("test/"): value for name, value in figures.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m hyrec_movielens.figures", allow_abbrev=False)
    parser.add_argument("--path", default="", help="MovieLens-100K (default: of the installed recbole)")
    parser.add_argument("--seeds", type=int, default=3, help="runs to average over (default 3)")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    runs = [train(options.path, seed) for seed in range(options.seeds)]
    counted = count(options.path)
    print("| | " + " | ".join(METRICS) + " |")
    print("|---" * (len(METRICS) + 1) + "|")
    for seed, run in enumerate(runs):
        print(f"| HyFormer, seed {seed} | " + " | ".join(f"{run[m]:.4f}" for m in METRICS) + " |")
    mean = {m: statistics.fmean(run[m] for run in runs) for m in METRICS}
    print("| HyFormer, mean | " + " | ".join(f"{mean[m]:.4f}" for m in METRICS) + " |")
    print("| counting | " + " | ".join(f"{counted[m]:.4f}" for m in METRICS) + " |")


if __name__ == "__main__":
    main()
