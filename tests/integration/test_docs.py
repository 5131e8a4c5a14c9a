"""Every command of docs/ runs as it is printed, in order, on small data; what cannot run in a test is parsed."""

from __future__ import annotations

import glob
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from page_commands import DOCS, Step, merge_into, steps_of
from raw_logs import Shop

from hyrec.cli.arguments import StrictParser
from hyrec.cli.main import COMMANDS, main
from hyrec.config.experiment import Experiment
from hyrec.config.shipped import PREFIX, find_file
from hyrec.schema import Schema
from hyrec.studies.plan.request import StudyRequest
from tests.taac_files import write as write_taac

ROOT = DOCS.parent
PAGES = sorted(
    page.stem for page in DOCS.glob("*.md") if page.stem not in ("logs", "plugins", "python") and steps_of(page)
)
EXPERIMENTS = ("fit", "validate", "test", "predict")
TINY = {
    "fit": ["--trainer.max_epochs=1", *(f"--trainer.limit_{split}_batches=3" for split in ("train", "val", "test"))],
    "validate": ["--trainer.limit_val_batches=4"],
    "test": ["--trainer.limit_test_batches=4"],
    "baseline": ["--only=counting"],
    "importance": ["--max_rows=300"],
}
"""What a test adds to a command so that it takes a second."""
NARROW = [
    "--model.d_model=16",
    "--model.embedding.dim=8",
    "--model.embedding.max_rows=1000",
    "--model.mixer.expansion=1",
    "--data.batch_size=16",
]
"""The same for the model of a competition."""
CONFIGS_OF_A_RUN = r"pkg:hyrec/\1.yaml --config pkg:hyrec/data/parquet.yaml"
OTHER_PROGRAMS = ("cd", "git", "make", "pip", "python", "wandb")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of logs: two months, the next day without clicks, days with them, and the log as rows of its own."""
    folder, simulated = tmp_path_factory.mktemp("shop"), Shop()
    simulated.write(folder / "logs", range(60))
    simulated.write(folder / "new", range(60, 61), labels=False, tables=False)
    simulated.write(folder / "labelled", range(60, 63), tables=False)
    (folder / "rows").mkdir()
    pl.read_csv(folder / "logs" / "impressions.csv").write_parquet(folder / "rows" / "impressions.parquet")
    write_taac(folder / "taac" / "raw", rows=90)
    write_taac(
        folder / "taac" / "new", rows=20, seed=1, change=lambda made: (made.pop("label_type"), made.pop("label_time"))
    )
    return folder


@pytest.fixture
def work(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like a checkout: with configs, logs and, under KuaiRand's name, a small data set."""
    for name in ("logs", "new", "labelled", "rows", "taac"):
        (tmp_path / name).symlink_to(shop / name)
    for name in ("configs", "benchmarks", "plugins"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYREC_CACHE", str(shop / "cache"))
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_as_they_are_printed(page: str, work: Path) -> None:
    follow(page, work)


def test_from_raw_logs_to_scores_of_every_new_row_by_the_page_alone(work: Path) -> None:
    follow("logs", work)
    sequences = Schema.load("data/schema.yaml").sequences
    assert {"shown", "click_before", "earlier_searches", "earlier_purchases", "earlier_plays"} == set(sequences)
    shown, scored = pl.read_csv("new/impressions.csv"), pl.read_parquet("scores/*.parquet")
    encoded = pl.read_parquet("applied/predict.parquet", columns=["input_row"])
    assert sorted(encoded["input_row"][row] for row in scored["row"]) == list(range(len(shown)))
    assert scored["score_click"].is_between(0, 1).all()
    measured = json.loads(Path("importance/importance.json").read_text())
    assert {"earlier_searches", "earlier_purchases", "earlier_plays"} <= set(re.findall(r"earlier_\w+", str(measured)))


def test_the_python_page_trains_and_scores(work: Path) -> None:
    names: Any = follow("python", work)
    assert names["logits"]["click"].shape == (names["batch"].num_samples,)
    assert names["scores"].num_rows == names["new"]["item_id"].list.len().sum()
    assert np.isfinite(names["scores"]["score_click"].to_numpy()).all()


@pytest.mark.usefixtures("work")
def test_the_commands_of_the_readme_are_right() -> None:
    stand_in_for_kuairand()
    steps = [step for step in steps_of(ROOT / "README.md") if step.kind == "bash"]
    assert len(steps) > 10
    for step in steps:
        parse(step)


@pytest.mark.usefixtures("work")
def test_the_python_of_the_readme_trains_and_scores_in_fifteen_lines() -> None:
    (program,) = (step.line for step in steps_of(ROOT / "README.md") if step.kind == "python")
    assert len(program.splitlines()) <= 15
    assert main(["data", "simulate", "--out", "log", "--num_requests=400"]) == 0
    names: Any = {}
    exec(compile(program, "README.md", "exec"), names)
    assert names["logits"]["click"].shape == (names["batch"].num_samples,)
    assert names["scores"].num_rows == names["new"]["item_id"].list.len().sum()


def follow(page: str, work: Path) -> dict[str, object]:
    """Do what a page says; return the names of its Python."""
    if page != "logs":  # which makes data of its own
        stand_in_for_kuairand()
    names: dict[str, object] = {}
    for step in steps_of(DOCS / f"{page}.md"):
        if step.kind == "python":
            exec(compile(step.line, f"{page}.md", "exec"), names)
        elif step.kind == "yaml":
            merge_into(work / step.told.removeprefix("into "), step.line)
        elif step.parsed_only:
            parse(step)
        else:
            run(step, page)
    return names


def stand_in_for_kuairand() -> None:
    done = main(["data", "simulate", "--out", "data/kuairand", "--num_requests=400"])
    assert done == 0
    Path("data/schema.yaml").symlink_to("kuairand/schema.yaml")


def run(step: Step, page: str) -> None:
    program, *arguments = filled_in(step)
    assert program == "hyrec", f"{page}: {step.line!r} is no command of hyrec: mark it '<!-- parsed only: why -->'"
    tiny = TINY.get(arguments[0], []) + (NARROW if "pkg:hyrec/taac.yaml" in arguments else [])
    tiny += ["--no-probe"] if "--dry-run" in arguments else []
    arguments += [option for option in tiny if option.partition("=")[0] not in arguments]
    if arguments[0] in ("fit", "baseline", "inspect") and not names_data(arguments):
        arguments.append("--data.simulator.num_requests=400")
    try:
        code = main(arguments)
    except SystemExit as end:  # of --explain and --help
        code = int(end.code or 0)
    assert code == 0, f"{page}: {step.line}"


def names_data(arguments: list[str]) -> bool:
    return any("--schema" in word or "/data/" in word or word.startswith(("runs/", "data/")) for word in arguments)


def filled_in(step: Step) -> list[str]:
    """Return the words of a command as a shell would hand them over, with the newest run for ``<time>``."""
    words: list[str] = []
    for word in step.words:
        if "<time>" in word:
            before, _, after = word.partition("/<time>")
            newest = max(Path(before).iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
            word = f"{newest}{after}"
        words += sorted(glob.glob(word)) if re.search(r"[*]", word) and f"'{word}'" not in step.line else [word]
    return words


def parse(step: Step) -> None:
    program, *arguments = Step(re.sub(r"runs/(\w+)/<time>/config.yaml", CONFIGS_OF_A_RUN, step.line), step.kind).words
    if "=" in program:  # a variable of the environment
        program, *arguments = arguments
    for word in arguments:
        if word.startswith(PREFIX):
            find_file(word, "config")
        assert os.path.exists(word) or not word.startswith(("configs/", "benchmarks/", "plugins/")), step.line
    if program != "hyrec":
        assert program in OTHER_PROGRAMS, step.line
        return
    if arguments[0] in EXPERIMENTS:
        Experiment.parse(re.sub(r" --ckpt_path \S+", "", " ".join(["fit", *arguments[1:]])).split(" "))
        return
    parser = StrictParser(prog="hyrec")
    parser.actions("command", COMMANDS)
    options, more = parser.parse_known_args(arguments)
    if options.takes_more:
        Experiment.parse(["fit", "--config", "pkg:hyrec/rankmixer.yaml", *more])
    assert options.takes_more or not more, step.line
    if study := getattr(options, "study", ""):
        StudyRequest.read(study)
