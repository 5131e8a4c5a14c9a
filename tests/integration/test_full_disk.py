"""Folders that cannot be written: a file size limit stands for a full disk, which takes no rights to set up."""

import os
import shutil

import pytest

RUN = ["fit", "--config", "pkg:hyrec/debug.yaml", "--trainer.enable_progress_bar", "false"]
SIMULATE = ["data", "simulate", "--num_requests", "2000", "--out", "out"]
PREDICT = ["predict", "--config", "run/config.yaml", "--ckpt_path", "best", "--output", "out"]


@pytest.fixture(scope="module")
def called(tmp_path_factory, forks):
    """Run a command in a folder; its files may have ``limit`` bytes."""
    cache = tmp_path_factory.mktemp("cache")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HYREC_CACHE": str(cache)}

    def run(folder, *arguments, limit=None):
        return forks.hyrec(*arguments, cwd=folder, environment=environment, file_bytes=limit)

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory, called):
    """Return a folder with a finished run, and with logs and a recipe for a build."""
    folder = tmp_path_factory.mktemp("full")
    rows = [f"{i % 5},{i % 7},{1_700_006_400 + 30 * i},{i % 2}" for i in range(9000)]
    (folder / "log.csv").write_text("\n".join(["user,item,time,click", *rows]) + "\n")
    (folder / "recipe.yaml").write_text(
        "log: {files: [log.csv], user: user, item: item, time: time, outcomes: [click]}\n"
        "split: {validate_from: 2023-11-16, test_from: 2023-11-17}\n"
        "tasks: {click: {}}\nfeatures: {user: {}, item: {}}\n"
    )
    assert called(folder, *RUN, "--trainer.default_root_dir", "run").returncode == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        (SIMULATE, 2000),
        (["data", "build", "--recipe", "recipe.yaml", "--input", ".", "--out", "out"], 2000),
        (PREDICT, 1000),
        ([*RUN, "--trainer.default_root_dir", "out"], 100_000),
    ],
    ids=["simulate", "build", "predict", "fit"],
)
def test_a_file_that_cannot_be_written_is_told_in_five_lines_and_leaves_nothing_half_done(
    place, called, arguments, limit
):
    shutil.rmtree(place / "out", ignore_errors=True)
    done = called(place, *arguments, limit=limit)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    told = done.stderr[done.stderr.index("hyrec: ") :].splitlines()
    assert len(told) <= 5
    left = [path.name for path in place.rglob("*") if path.suffix in (".partial", ".building", ".parquet", ".ckpt")]
    assert sorted(left) == ["best.ckpt", "last.ckpt"]


@pytest.mark.slow
def test_a_folder_that_is_gone_is_told(place, called):
    done = called(place, *PREDICT[:-1], "log.csv/below")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("hyrec: Not a directory")
