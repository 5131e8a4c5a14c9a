from pathlib import Path

import pytest
import yaml

from hyrec.config.experiment import Experiment
from hyrec.config.shipped import find_file
from hyrec.studies.plan.request import StudyRequest
from hyrec.studies.plan.study import Study, Variant
from hyrec.studies.run.wandb import sweep_of

SHIPPED = "pkg:hyrec/sweeps/hyformer.yaml"
utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils", reason="W&B is optional: pip install 'hyrec[wandb]'")


def request_of(metric: str = "query_auc", **selection: object) -> StudyRequest:
    variants = (Variant("full", "full"), Variant("less", "less", options={"model.queries.pooling": "none"}))
    study = Study("table2", "Which part?", ("pkg:hyrec/debug.yaml",), {}, (metric,), (0, 1, 2), "full", variants)
    return StudyRequest("a.yaml", study, selection)


def as_the_agent_runs_it(sweep: dict[str, object], values: dict[str, object]) -> list[str]:
    """Fill in a sweep's command with W&B's own code, as its agent does."""
    given = utils.create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    given["env"] = ["/usr/bin/env"]
    words: list[str] = []
    for word in utils.create_sweep_command(sweep["command"]):
        words += given[word[2:-1]] if word.startswith("${") else [word]
    return words


def test_a_sweep_has_one_trial_a_cell():
    sweep = sweep_of(request_of(), "out")
    assert sweep["method"] == "grid"
    assert sweep["parameters"] == {"index": {"values": [0, 1, 2, 3, 4, 5]}}


def test_a_trial_is_a_cell_of_the_study(tmp_path: Path):
    request = request_of(seeds=[0, 1, 2], variants=["full", "less"], set={"model.head.hidden": [8, 4]})
    sweep = sweep_of(request, tmp_path, project="team/p")
    words = as_the_agent_runs_it(sweep, {"index": 3})
    assert words[:5] == ["/usr/bin/env", "hyrec", "ablate", "run", "a.yaml"]
    assert words[5:9] == ["--out", str(tmp_path), "--wandb", "team/p"]
    assert words[9:] == [
        "--seeds=0,1,2",
        "--variants=full,less",
        "--set=model.head.hidden=[8, 4]",
        "--index=3",
    ]


@pytest.mark.parametrize(("metric", "goal"), [("query_auc", "maximize"), ("logloss", "minimize")])
def test_the_goal_follows_the_direction_of_the_metric(metric: str, goal: str):
    found = sweep_of(request_of(metric), "out")["metric"]
    assert found == {"name": f"test/{metric}", "goal": goal}


def test_a_sweep_is_plain_yaml():
    sweep = sweep_of(request_of(), Path("out"))
    assert yaml.safe_load(yaml.safe_dump(sweep)) == sweep


def test_hyrec_fit_takes_what_the_agent_of_the_shipped_sweep_writes():
    sweep = yaml.safe_load(find_file(SHIPPED).read_text())
    chosen = {
        name: values["values"][-1] if "values" in values else values["max"]
        for name, values in sweep["parameters"].items()
    }
    words = as_the_agent_runs_it(sweep, chosen)
    assert words[:3] == ["/usr/bin/env", "hyrec", "fit"]
    assert "--model.d_model=96" in words
    options = Experiment.parse(words[2:]).options
    model = options["model"]["init_args"]
    assert model["d_model"] == 96
    assert model["backbone"]["init_args"]["num_layers"] == 3
    assert model["queries"]["init_args"]["num_queries"] == 2
    assert model["head"]["init_args"]["hidden"] == [128, 64]
    assert model["dense_optimizer"]["init_args"]["lr"] == pytest.approx(0.01)
    assert model["encoder"]["init_args"]["num_recent"] == 64
    assert options["trainer"]["logger"]["class_path"].endswith("RankingWandbLogger")
    assert options["test_after_fit"] is False
