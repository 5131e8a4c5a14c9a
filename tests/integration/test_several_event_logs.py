"""As a user goes who has three logs beside the impressions: explain, build, profile, fit, apply, predict."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hyrec.cli.main import main

RECIPE = """
log: {files: [shown.csv], user: user, item: item, time: time, outcomes: [click]}
split: {validate_from: 2023-11-16, test_from: 2023-11-17}
tasks: {click: {}}
tables: {products: {files: [products.csv], key: product}}
features: {user: {role: user}, item: {role: item, table: item}}
event_logs:
  searches: {files: [searches.csv], user: uid, time: ms, time_unit: ms, time_zone: UTC}
  purchases: {files: [purchases.csv], user: buyer, time: at, time_zone: Asia/Shanghai, names: {item: product}}
  plays: {files: [plays.csv], user: user, time: time, delay: 60}
counters: {sold: {log: purchases, keys: [item], values: [count], role: item}}
sequences:
  clicked: {where: [{column: click}], features: {item: {table: item}}}
  searched: {log: searches, max_length: 20, features: {query: {}}}
  bought: {log: purchases, features: {product: {table: item}, colour: {source: products}}}
  played:
    log: plays
    features:
      item: {table: item}
      seconds: {kind: dense, transform: log1p}
      moods: {kind: multi_id, separator: "^", max_length: 3}
"""
START, ROWS = 1_700_006_400, 300


def write_logs(folder: Path, first: int, rows: int, *, labelled: bool) -> None:
    """Write impressions and events of the same hours, each as another system would."""
    folder.mkdir()
    number = np.arange(first, first + rows)
    user, time = number % 17, START + 1000 * number
    shown = pl.DataFrame({"user": user, "item": number * 7 % 29, "time": time, "click": number % 2})
    (shown if labelled else shown.drop("click")).write_csv(folder / "shown.csv")
    words = pl.Series(number % 13, dtype=pl.Int64)
    searches = pl.DataFrame({"uid": user, "ms": time * 1000 - 1500, "query": "word " + words.cast(pl.String)})
    searches.write_csv(folder / "searches.csv")
    at = (pl.from_epoch(pl.Series(time - 30)).dt.offset_by("8h")).dt.to_string("%Y-%m-%d %H:%M:%S")
    pl.DataFrame({"buyer": user, "at": at, "product": number * 3 % 29}).write_csv(folder / "purchases.csv")
    plays = pl.DataFrame({"user": user, "time": time - 60, "item": number * 5 % 29, "seconds": number % 90})
    plays = plays.with_columns(moods=pl.Series([f"m{n % 5}^m{n % 3}" if n % 4 else "" for n in number]))
    plays.write_csv(folder / "plays.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["hyrec"])
        (folder / "recipe.yaml").write_text(RECIPE)
        write_logs(folder / "logs", 0, ROWS, labelled=True)
        colours = pl.DataFrame({"product": range(29), "colour": [f"c{i % 4}" for i in range(29)]})
        colours.write_csv(folder / "logs" / "products.csv")
        write_logs(folder / "new", ROWS, 20, labelled=False)
        yield folder


def test_four_kinds_of_events_become_sequences_that_a_model_trains_on_and_scores_new_rows_by(folder, capsys):
    assert main(["data", "build", "--recipe", "recipe.yaml", "--input", "logs", "--out", "built"]) == 0
    told = capsys.readouterr().out
    assert "searches: 300 rows of 17 users; 17 of the impressions' 17 users have any" in told
    assert main(["data", "profile", "built"]) == 0
    data = [f"--data.{split}=built/{split}.parquet" for split in ("train", "validate", "test")]
    configs = ["--config", "pkg:hyrec/debug.yaml", "--config", "pkg:hyrec/data/parquet.yaml"]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.default_root_dir", "run", "--trainer.max_steps", "2"]
    assert main(["fit", *configs, "--schema", "built/schema.yaml", *data, *quiet]) == 0
    assert main(["data", "apply", "--built", "built", "--input", "new", "--out", "applied"]) == 0
    assert "purchases: 320 rows (20 of them new) of 17 users" in capsys.readouterr().out
    run = next(folder.glob("run/**/config.yaml"))
    assert main(["predict", "--config", str(run), "--ckpt_path", "best", "--data.predict=applied/predict.parquet"]) == 0
    rows = pl.read_parquet("applied/predict.parquet").sort("time")
    now = rows["time"].to_numpy()
    assert [times[-1] for times in rows["s_searched__time"]] == [t - 2 for t in now]  # 1.5 s before, in whole seconds
    assert [times[-1] for times in rows["s_bought__time"]] == [t - 30 for t in now]
    assert [times[-1] for times in rows["s_played__time"]] == [t - 60 - 17_000 for t in now]  # not the one of t - 60


def test_a_log_that_does_not_exist_is_refused_with_the_nearest_name(folder, capsys):
    (folder / "wrong.yaml").write_text(RECIPE.replace("log: searches", "log: serches"))
    assert main(["data", "build", "--recipe", "wrong.yaml", "--input", "logs", "--out", "wrong"]) != 0
    assert "sequences.searched.log is 'serches'. Did you mean 'searches'?" in capsys.readouterr().err


def test_the_keys_of_event_logs_are_explained(folder, capsys):
    assert main(["data", "build", "--explain", "event_logs.searches.time_zone"]) == 0
    assert "Zone of date-times that do not say theirs" in capsys.readouterr().out
