"""Options of ``hyrec ablate``, and what it does with the parts of a study, which are tested elsewhere."""

import json
from dataclasses import replace

import pytest

from hyrec.cli.main import main
from hyrec.studies.plan.plan import Change, Plan, PlannedVariant
from hyrec.studies.plan.study import Study
from hyrec.studies.plan.study_file import read_study
from hyrec.studies.report.tables import plan_as_text, total_seconds
from hyrec.studies.run.cell import Cell, cells_of
from hyrec.studies.run.runner import CellOutcome
from tests.new_processes import heavy_packages_of

DEBUG = "pkg:hyrec/ablations/debug.yaml"


def plan_of(study: Study) -> Plan:
    """A plan as resolving would give it, with the second variant half as expensive."""
    rows = tuple(
        PlannedVariant(
            variant=variant,
            arguments=("--config=x.yaml", f"--model.d_model={variant.name}"),
            changes=(Change("model.mixer.expansion", 2, 2, carried=True), Change("model.mixer", "A", "B"))[: 2 * i],
            dense_parameters=1000 // (i + 1),
            sparse_parameters=10,
            flops_per_sample=1e6 * (1 - 0.04 * i),
            matched={"model.d_model": 24} if i else {},
            options={"model.x": 0, **study.options, **variant.options},
        )
        for i, variant in enumerate(study.variants)
    )
    return Plan(study, rows, "0.1")


@pytest.fixture
def study():
    variants = {"full": {}, "none": {"options": {"model.x": 1}}}
    return read_study({"name": "s", "seeds": [0, 1], "variants": variants}, default_name="s")


@pytest.fixture
def seen(monkeypatch, study):
    """What the parts of a study were asked for; nothing is parsed, trained or written but the plan."""
    calls = {"ran": []}

    def run_cells(cells, **options):
        calls["ran"] += [cell.name.removeprefix("debug/") for cell in cells]
        calls["options"] = options
        status = calls.get("status", "finished")
        if status == "stopped":
            raise KeyboardInterrupt
        for cell in cells:
            cell.folder.mkdir(parents=True, exist_ok=True)
            (cell.folder / "cell.json").touch()
        return [CellOutcome(cell, status) for cell in cells]

    def make_plan(request):
        calls["selection"] = request.selection
        if "planning" in calls:
            calls["planning"]()
        plan = plan_of(request.study)
        if "edited" in calls:
            plan = replace(plan, variants=tuple(replace(one, digest=calls["edited"]) for one in plan.variants))
        return replace(plan, selection=request.selection, file_seeds=request.whole.seeds)

    monkeypatch.setattr("hyrec.studies.run.study.make_plan", make_plan)
    monkeypatch.setattr("hyrec.studies.plan.planner.make_plan", make_plan)
    monkeypatch.setattr("hyrec.studies.run.study.run_cells", run_cells)
    monkeypatch.setattr("hyrec.studies.run.study.write_rows", lambda plan, folder: None)
    return calls


def stop():
    raise KeyboardInterrupt


def test_a_study_runs_all_its_cells_and_reports(seen, tmp_path, capsys):
    assert main(["ablate", "run", DEBUG, "--out", str(tmp_path), "--jobs", "2"]) == 0
    assert seen["ran"] == ["hyformer/s0", "no_pooling/s0", "hyformer/s1", "no_pooling/s1"]
    assert seen["options"]["jobs"] == 2
    assert f"No cell of {tmp_path} has finished yet" in capsys.readouterr().out
    assert Plan.load(tmp_path).study.name == "debug"


def test_a_failed_cell_gives_exit_code_1_and_says_how_to_go_on(seen, tmp_path, capsys):
    seen["status"] = "failed"
    assert main(["ablate", "run", DEBUG, "--out", str(tmp_path)]) == 1
    assert "4 of 4 cells have no result" in (told := capsys.readouterr().err)
    assert f"hyrec ablate run {DEBUG} --out {tmp_path} --resume" in told


def test_ctrl_c_gives_exit_code_130_and_says_how_to_go_on(seen, tmp_path, capsys):
    seen["status"] = "stopped"
    assert main(["ablate", "run", DEBUG, "--out", str(tmp_path)]) == 130
    assert f"hyrec ablate run {DEBUG} --out {tmp_path} --resume" in capsys.readouterr().err


def test_ctrl_c_before_there_is_a_plan_does_not_ask_for_a_resume(seen, tmp_path, capsys):
    seen["planning"] = stop
    out = tmp_path / "my study"
    assert main(["ablate", "run", DEBUG, "--out", str(out), "--seeds", "3,4"]) == 130
    assert f"hyrec ablate run {DEBUG} --out '{out}' --seeds=3,4\n" in capsys.readouterr().err


def test_the_way_to_go_on_keeps_the_cell_of_an_array_and_the_project(seen, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("hyrec.studies.run.study.require_wandb", lambda: None)
    monkeypatch.setattr("hyrec.studies.run.wandb.require_wandb", lambda: None)
    seen["status"] = "failed"
    main(["ablate", "run", DEBUG, "--out", str(tmp_path), "--index", "1", "--wandb", "team/p"])
    assert f"--out {tmp_path} --resume --index 1 --wandb team/p\n" in capsys.readouterr().err


def test_a_resume_keeps_the_new_words_of_the_study_for_its_report(seen, tmp_path):
    file, out = tmp_path / "s.yaml", tmp_path / "out"
    content = {"base": {"configs": ["pkg:hyrec/debug.yaml"]}, "variants": {"a": {}, "b": {"options": {"model.x": 1}}}}
    file.write_text(json.dumps(content))
    main(["ablate", "run", str(file), "--out", str(out)])
    file.write_text(json.dumps({**content, "question": "Why?", "scaling": {"x": ["dense_parameters"]}}))
    assert main(["ablate", "run", str(file), "--out", str(out), "--resume"]) == 0
    study = Plan.load(out).study
    assert (study.question, study.scaling) == ("Why?", ("dense_parameters",))


def test_a_folder_with_a_study_is_only_used_again_on_request(seen, tmp_path, mistake):
    main(["ablate", "run", DEBUG, "--out", str(tmp_path)])
    told = mistake("ablate", "run", DEBUG, "--out", str(tmp_path), "--seeds", "7")
    assert "holds a study already. Choose another --out, or go on with" in told
    assert "--resume" in told
    assert main(["ablate", "run", DEBUG, "--out", str(tmp_path), "--resume"]) == 0


def test_a_resumed_study_keeps_its_selection_and_refuses_another(seen, tmp_path, mistake):
    main(["ablate", "run", DEBUG, "--out", str(tmp_path), "--seeds", "4", "--set", "model.d_model=8"])
    assert main(["ablate", "run", DEBUG, "--out", str(tmp_path), "--resume"]) == 0
    assert seen["ran"] == ["hyformer/s4", "no_pooling/s4"] * 2
    told = mistake("ablate", "run", DEBUG, "--out", str(tmp_path), "--resume", "--seeds", "5")
    assert "seeds: [4] -> [5]; seeds can be added, none can go" in told


def study_file(folder, **changes):
    """Write a study of two variants and two seeds, with some of its keys changed."""
    variants = {"a": {}, "b": {"options": {"model.x": 1}}, **changes.pop("more", {})}
    base = {"configs": ["pkg:hyrec/debug.yaml"], "options": changes.pop("options", {})}
    file = folder / "s.yaml"
    file.write_text(json.dumps({"seeds": [0, 1], "metrics": ["auc"], "base": base, "variants": variants, **changes}))
    return str(file)


def test_a_resume_adds_the_seeds_and_variants_that_the_study_file_has_gained(seen, tmp_path, caplog):
    out = tmp_path / "out"
    main(["ablate", "run", study_file(tmp_path), "--out", str(out)])
    seen["ran"].clear()
    more = {"c": {"options": {"model.x": 2}}}
    file = study_file(tmp_path, seeds=[0, 1, 2], more=more, metrics=["logloss", "auc"])
    assert main(["ablate", "run", file, "--out", str(out), "--resume"]) == 0
    assert seen["ran"] == [f"s/{variant}/s{seed}" for seed in (0, 1, 2) for variant in "abc"]
    assert "the study file has new seeds, which are added: 2" in caplog.text
    stored = Plan.load(out)
    assert (stored.study.seeds, stored.study.metrics) == ((0, 1, 2), ("logloss", "auc"))
    assert [planned.variant.name for planned in stored.variants] == ["a", "b", "c"]


def test_seeds_can_be_added_on_the_command_line_and_stay_added(seen, tmp_path):
    words = ["ablate", "run", study_file(tmp_path), "--out", str(tmp_path / "out")]
    main([*words, "--seeds", "0"])
    main([*words, "--resume", "--seeds", "0,1,2"])
    seen["ran"].clear()
    assert main([*words, "--resume"]) == 0
    assert Plan.load(tmp_path / "out").study.seeds == (0, 1, 2)
    assert len(seen["ran"]) == 6


def test_a_selection_of_seeds_stays_until_the_file_gains_some(seen, tmp_path):
    words = ["ablate", "run", study_file(tmp_path), "--out", str(tmp_path / "out")]
    main([*words, "--seeds", "1"])
    main([*words, "--resume"])
    assert Plan.load(tmp_path / "out").study.seeds == (1,)
    study_file(tmp_path, seeds=[0, 1, 5])
    main([*words, "--resume"])
    assert Plan.load(tmp_path / "out").study.seeds == (1, 5)


def test_seeds_that_left_the_file_stay_in_a_begun_study_and_that_is_said(seen, tmp_path, caplog):
    words = ["ablate", "run", study_file(tmp_path), "--out", str(tmp_path / "out")]
    main(words)
    study_file(tmp_path, seeds=[0])
    assert main([*words, "--resume"]) == 0
    assert Plan.load(tmp_path / "out").study.seeds == (0, 1)
    assert "no longer names stay, since cells have them: 1" in caplog.text


def test_a_resume_refuses_a_kept_variant_that_changed_and_names_the_key(seen, tmp_path, mistake):
    words = ["ablate", "run", study_file(tmp_path), "--out", str(tmp_path / "out")]
    main(words)
    study_file(tmp_path, options={"model.x": 7}, seeds=[0, 1, 2])
    assert "variant a: model.x: 0 -> 7" in mistake(*words, "--resume")
    assert Plan.load(tmp_path / "out").study.seeds == (0, 1)


def test_a_resume_refuses_to_lose_a_variant(seen, tmp_path, mistake):
    words = ["ablate", "run", study_file(tmp_path, more={"c": {"options": {"model.x": 2}}}), "--out", str(tmp_path)]
    main(words)
    assert "variant c is gone" in mistake(*words, "--resume", "--variants", "b")


def test_while_no_cell_has_started_a_changed_study_takes_the_place_of_the_old_one(seen, tmp_path):
    words = ["ablate", "run", study_file(tmp_path), "--out", str(tmp_path / "out")]
    seen["status"] = "stopped"
    assert main(words) == 130
    seen["status"] = "finished"
    study_file(tmp_path, options={"model.x": 7}, seeds=[3])
    assert main(words) == 0
    assert Plan.load(tmp_path / "out").study.options == {"model.x": 7}
    assert seen["ran"][-2:] == ["s/a/s3", "s/b/s3"]


def test_a_resume_in_another_folder_says_where_paths_count_from(seen, tmp_path, monkeypatch, caplog):
    words = ["ablate", "run", study_file(tmp_path), "--out", str(tmp_path / "out")]
    main(words)
    plan = Plan.load(tmp_path / "out")
    replace(plan, working_folder=str(tmp_path)).save(tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    main([*words, "--resume"])
    assert "relative paths" not in caplog.text
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    main([*words, "--resume"])
    told = caplog.text
    assert f"begun in {tmp_path}; relative paths now count from {tmp_path / 'else'}" in told


def test_a_config_beside_the_study_is_named_when_it_is_looked_for_elsewhere(tmp_path, monkeypatch, mistake):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "mine.yaml").write_text("model: {}\n")
    (tmp_path / "studies" / "s.yaml").write_text("base: {configs: [mine.yaml]}\nvariants: {a: {}}\n")
    monkeypatch.chdir(tmp_path)
    told = mistake("ablate", "run", "studies/s.yaml", "--dry-run")
    assert "The config 'mine.yaml' does not exist" in told
    assert f"Paths count from the current folder, {tmp_path}" in told
    assert "write studies/mine.yaml" in told


@pytest.mark.parametrize("action", ["run", "sweep"])
def test_ctrl_c_while_a_study_is_only_shown_leaves_no_traceback(action, seen, capsys):
    seen["planning"] = stop
    assert main(["ablate", action, DEBUG, *(["--dry-run"] if action == "run" else [])]) == 130
    assert capsys.readouterr().err.strip() == "Stopped."


def test_a_study_whose_configs_were_edited_is_not_resumed(seen, tmp_path, mistake):
    main(["ablate", "run", DEBUG, "--out", str(tmp_path)])
    seen["edited"] = "another"
    told = mistake("ablate", "run", DEBUG, "--out", str(tmp_path), "--resume")
    assert "The study has changed" in told
    assert "variant hyformer: what its configs say" in told


def test_there_is_nothing_to_resume_in_an_empty_folder(seen, tmp_path, mistake):
    assert "holds no study to go on with" in mistake("ablate", "run", DEBUG, "--out", str(tmp_path), "--resume")


def test_an_array_task_runs_its_cell_only_and_writes_no_report(seen, tmp_path, monkeypatch, capsys):
    assert main(["ablate", "run", DEBUG, "--out", str(tmp_path), "--index", "1"]) == 0
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert main(["ablate", "run", DEBUG, "--out", str(tmp_path), "--array"]) == 0
    assert seen["ran"] == ["no_pooling/s0", "hyformer/s1"]
    assert "finished yet" not in capsys.readouterr().out


def test_an_array_task_with_another_study_is_refused(seen, tmp_path, mistake):
    main(["ablate", "run", DEBUG, "--out", str(tmp_path), "--index", "0"])
    told = mistake("ablate", "run", DEBUG, "--out", str(tmp_path), "--index", "1", "--seeds", "0,1,2")
    assert "A task of an array adds no seeds and variants" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["runn"], "There is no 'hyrec ablate runn'. Did you mean 'run'?"),
        (["run", DEBUG, "--dryrun"], "has no option '--dryrun'. Did you mean '--dry-run'?"),
        (["run", "pkg:hyrec/ablations/debg.yaml"], "Did you mean 'pkg:hyrec/ablations/debug.yaml'?"),
        (["run", DEBUG, "--jobs", "0"], "--jobs must be at least 1"),
        (["run", DEBUG, "--no-probe"], "--no-probe goes with --dry-run"),
        (["run", DEBUG, "--dry-run", "--resume"], "leave --resume out"),
        (["run", DEBUG, "--dry-run", "--index", "0"], "leave --index out"),
        (["run", DEBUG, "--dry-run", "--array"], "leave --array out"),
        (["run", DEBUG, "--dry-run", "--wandb", "p"], "leave --wandb out"),
        (["run", DEBUG, "--seeds", "4294967296"], "seeds must be whole numbers from 0 to 4294967295"),
        (["run", DEBUG, "--seeds", "a,b"], "--seeds needs whole numbers"),
        (["run", DEBUG, "--variants", "no_poolin"], "Did you mean 'no_pooling'?"),
        (["run", DEBUG, "--set", "model.d_model"], "--set needs KEY=VALUE"),
        (["run", DEBUG, "--set", "name=x"], "'name' is set by the study itself"),
        (["run", DEBUG, "--array", "--index", "1"], "Use one of them"),
        (["run", DEBUG, "--array"], "which holds ''"),
        (["run", "pkg:hyrec/ablations/scaling.yaml", "--set", "model.d_model=8"], "the grid of the study sets it"),
        (["report", "."], "is not the folder of a study"),
    ],
)
def test_mistakes_are_told_in_a_few_lines(arguments, told, mistake, seen, monkeypatch):
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    monkeypatch.undo() if arguments[0] == "report" else None
    assert told in mistake("ablate", *arguments)


def test_an_index_outside_of_the_study_is_refused(seen, tmp_path, mistake):
    told = mistake("ablate", "run", DEBUG, "--out", str(tmp_path), "--index", "4")
    assert "the study has 4 cells, 0 to 3" in told


def test_lists_may_be_written_with_commas_and_with_spaces(seen, tmp_path):
    lines = [
        ["--seeds", "3,4", DEBUG],
        [DEBUG, "--seeds", "3", "4"],
        ["--seeds", "3", "4", DEBUG],
        [DEBUG, "--seeds=3,4"],
    ]
    for i, words in enumerate(lines):
        assert main(["ablate", "run", *words, "--out", str(tmp_path / str(i))]) == 0
        assert seen["selection"] == {"seeds": [3, 4]}, words


def test_commas_in_the_name_of_a_point_do_not_part_it(seen, tmp_path):
    grid = {
        "grid": {"model.d_model": [8, 16], "model.x": [1, 2]},
        "variants": {"a": {}, "b": {"options": {"data.y": 1}}},
    }
    point = "a@d_model=8,x=2"
    words = ["ablate", "run", study_file(tmp_path, **grid), "--out", str(tmp_path / "out")]
    assert main([*words, "--seeds", "0", "--variants", f"{point},b@d_model=16,x=1"]) == 0
    assert seen["selection"]["variants"] == [point, "b@d_model=16,x=1"]


def test_values_of_set_are_read_as_yaml(seen, tmp_path):
    words = ["--set", "model.d_model=32", "--set", "model.mixer={class_path: IdentityMixer}"]
    main(["ablate", "run", DEBUG, "--out", str(tmp_path), *words])
    assert seen["selection"]["set"] == {"model.d_model": 32, "model.mixer": {"class_path": "IdentityMixer"}}


def test_a_value_of_set_that_is_no_yaml_stays_text(seen, tmp_path):
    main(["ablate", "run", DEBUG, "--out", str(tmp_path), "--set", "data.x=[1"])
    assert seen["selection"]["set"] == {"data.x": "[1"}


def test_the_table_marks_what_is_beyond_the_budget_carried_and_matched(study):
    text = plan_as_text(plan_of(study))
    assert "2 variants x 2 seeds (0, 1) = 4 cells (--index 0 to 3)" in text
    row = next(line for line in text.splitlines() if line.startswith("none"))
    assert "0.50 ×" in row
    assert "0.96 ×" in row
    assert row.endswith("no, matched by model.d_model = 24")
    lines = [line.split() for line in text.splitlines()]
    assert ["model.mixer", "A", "B"] in lines
    assert ["none", "model.mixer.expansion", "(carried)", "2", "2"] in lines


def test_variants_that_change_the_same_are_listed_together():
    content = {"grid": {"model.d_model": [8, 16]}, "variants": {"a": {}}}
    plan = plan_of(read_study(content, default_name="s"))
    plan = replace(plan, variants=tuple(replace(row, changes=()) for row in plan.variants))
    assert "a@d_model=8, a@d_model=16  nothing" in plan_as_text(plan)


def test_the_estimated_time_is_that_of_all_cells_over_the_jobs(study):
    plan = plan_of(study)
    assert total_seconds(plan, 1) is None
    timed = replace(
        plan, variants=tuple(replace(p, seconds_per_cell=t) for p, t in zip(plan.variants, (10.0, 30.0), strict=True))
    )
    assert total_seconds(timed, 1) == 80
    assert total_seconds(timed, 2) == 40
    assert total_seconds(timed, 8) == 30
    assert "Estimated time with --jobs 2: 40 s" in plan_as_text(timed, jobs=2)


def test_wandb_arguments_stay_out_of_the_plan(seen, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="Weights & Biases is an optional dependency")
    handed: list[Cell] = []
    monkeypatch.setattr("hyrec.studies.run.study.run_cells", lambda cells, **_: handed.extend(cells) or [])
    main(["ablate", "run", DEBUG, "--out", str(tmp_path), "--wandb", "team/project"])
    plan = Plan.load(tmp_path)
    assert all(cell.extra_arguments for cell in handed)
    assert [cell.fingerprint for cell in handed] == [cell.fingerprint for cell in cells_of(plan, tmp_path)]
    assert "project" not in (tmp_path / "plan.json").read_text()


@pytest.mark.parametrize("arguments", [["ablate"], ["ablate", "run", "--help"], ["ablate", "run", "x.yaml", "--jbs=2"]])
def test_help_and_mistakes_load_neither_torch_nor_lightning(arguments):
    assert not {"torch", "lightning", "jsonargparse"} & heavy_packages_of(*arguments)
