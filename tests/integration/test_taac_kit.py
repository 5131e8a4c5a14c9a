"""From raw files of a competition to a submission, on files of the shape of TAAC-2026."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hyrec.cli.main import main
from hyrec.config.experiment import Experiment
from tests.taac_files import columns, write

QUIET = ["--trainer.enable_progress_bar", "false"]
CONFIGS = ["--config", "pkg:hyrec/taac.yaml", "--config", "data/data.yaml"]
OFFICIAL = ["--config", "pkg:hyrec/taac_official.yaml", "--config", "data/data.yaml"]
LIMITS = ["--trainer.max_epochs", "2", "--trainer.limit_train_batches", "2", "--data.batch_size", "16"]
SMALL = ["--model.embedding.dim", "8", "--model.embedding.max_rows", "1000", "--model.mixer.expansion", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with raw rows, what their import wrote, and two runs."""
    root = tmp_path_factory.mktemp("taac")
    write(root / "raw", rows=90)
    write(root / "new", rows=20, seed=1, change=lambda made: (made.pop("label_type"), made.pop("label_time")))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert main(["data", "import", "taac", "raw", "--out", "data"]) == 0
        ema = ["--trainer.callbacks+=EMA", "--trainer.callbacks.decay", "0.9"]
        assert main(["fit", *CONFIGS, *LIMITS, *SMALL, *QUIET, "--name", "one", *ema]) == 0
        assert main(["fit", *OFFICIAL, *LIMITS, *SMALL, *QUIET, "--name", "two", "--seed_everything", "1"]) == 0
    return root


def run_of(folder: Path, name: str) -> Path:
    return next((folder / "runs" / name).iterdir())


def predict(folder: Path, *options: str) -> int:
    config = ["--config", str(run_of(folder, "one") / "config.yaml"), "--data.predict", "new"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return main(["predict", *config, *QUIET, *options])


def scores(folder: Path) -> list[float]:
    found: list[float] = pq.read_table(folder)["score_conversion"].to_pylist()
    return found


def test_raw_files_become_a_json_of_users_and_scores_in_their_order(folder: Path) -> None:
    assert predict(folder, "--ckpt_path", "best", "--submission", "predictions.json", "--output", "alone") == 0
    found = json.loads((folder / "predictions.json").read_text())["predictions"]
    assert [int(user) for user in found] == columns(20, 1)["user_id"].to_pylist()
    assert list(found.values()) == scores(folder / "alone")
    assert all(0 < score < 1 for score in found.values())


def test_several_checkpoints_score_with_their_mean(folder: Path) -> None:
    files = [str(run_of(folder, name) / "checkpoints/best.ckpt") for name in ("one", "two")]
    for number, file in enumerate(files):
        assert predict(folder, "--ckpt_path", file, "--output", f"member-{number}") == 0
    assert predict(folder, "--ckpt_path", *files, "--output", "both", "--submission", "both.csv") == 0
    pairs = zip(scores(folder / "member-0"), scores(folder / "member-1"), strict=True)
    assert scores(folder / "both") == pytest.approx([(one + two) / 2 for one, two in pairs], rel=1e-6)
    assert (folder / "both.csv").read_text().splitlines()[0] == '"user_id","item_id","score_conversion"'


def test_a_checkpoint_of_another_schema_is_refused_with_its_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(run_of(folder, name) / "checkpoints/best.ckpt") for name in ("one", "two")]
    longer = ["--schema", "data/schema.yaml", "--schema.sequences.seq_a.max_length", "9"]
    assert predict(folder, "--ckpt_path", *files, *longer, "--output", "refused") == 2
    told = capsys.readouterr().err
    assert "best.ckpt: This checkpoint was trained with another schema: sequences seq_a (max_length) differ" in told


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        ("predict", ["--ckpt_path", "best", "best"], "more than once"),
        ("test", ["--ckpt_path", "best", "last"], "hyrec test takes one checkpoint, got 2"),
        ("predict", ["--ckpt_path", "best", "--submission", "a.txt"], r"ending '.txt'. Allowed: .csv, .json"),
        ("test", ["--ckpt_path", "best", "--submission", "a.csv"], "--submission is for hyrec predict"),
    ],
)
def test_what_makes_no_submission_is_refused(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    options: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(folder)
    config = str(run_of(folder, "one") / "config.yaml")
    assert main([command, "--config", config, *options, *QUIET]) == 2
    assert re.search(words, capsys.readouterr().err)


def test_a_format_that_does_not_exist_is_refused_with_the_nearest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "import", "tac", str(folder / "raw"), "--out", str(folder / "none")]) == 2
    assert "There is no importer of 'tac'. Did you mean 'taac'? Formats: taac, " in capsys.readouterr().err


@pytest.mark.parametrize("configs", [CONFIGS, OFFICIAL], ids=["taac", "official"])
def test_the_configs_have_the_tokens_of_the_official_baseline(
    folder: Path, monkeypatch: pytest.MonkeyPatch, configs: list[str]
) -> None:
    monkeypatch.chdir(folder)
    model = Experiment.parse(["fit", *configs]).model()
    assert model.network.ctx.num_tokens == 16
    *user, dense, _, _ = model.network.ctx.token_features
    assert sum(len(names) for names in user) == 7
    assert dense == ["user_dense_feats_61", "user_dense_feats_87"]


def test_the_largest_vocabularies_are_left_out_and_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert main(["inspect", *CONFIGS]) == 0
    told = capsys.readouterr().out
    assert (
        "Table seq_b.domain_b_seq_69 has 5,000,003 ids, more than embedding.max_rows=1,000,000: not in the model"
        in told
    )
