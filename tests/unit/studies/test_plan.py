from dataclasses import replace

import pytest

from hyrec.studies.plan import Change, Plan, PlannedVariant
from hyrec.studies.study import StudyError
from hyrec.studies.study_file import read_study

CONTENT = {
    "name": "s",
    "seeds": [3, 1],
    "variants": {"full": {}, "none": {"options": {"model.queries.pooling": "none"}}},
}


@pytest.fixture
def plan():
    study = read_study(CONTENT, default_name="s")
    rows = tuple(
        PlannedVariant(v, (f"--x={v.name}",), (Change("a", None, [1, 2]),), 10, 20, 1.5, {"model.d_model": 8}, 3.0, "d")
        for v in study.variants
    )
    return Plan(study, rows, "0.1", "abc", {"seeds": [3, 1]})


def test_a_plan_survives_its_file(plan, tmp_path):
    plan.save(tmp_path / "study")
    assert Plan.load(tmp_path / "study") == plan
    assert [p.name for p in (tmp_path / "study").iterdir()] == ["plan.json"]


def test_the_first_plan_in_a_folder_stays_unless_it_is_replaced(plan, tmp_path):
    plan.save(tmp_path, replace=False)
    later = replace(plan, version="0.2")
    with pytest.raises(FileExistsError):
        later.save(tmp_path, replace=False)
    assert Plan.load(tmp_path).version == "0.1"
    later.save(tmp_path)
    assert Plan.load(tmp_path).version == "0.2"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_a_folder_without_a_plan_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"is not the folder of a study: it holds no plan\.json"):
        Plan.load(tmp_path)
    (tmp_path / "plan.json").write_text('{"study": {}}')
    with pytest.raises(StudyError, match="cannot be read"):
        Plan.load(tmp_path)


def test_cells_come_seed_by_seed_in_the_order_of_the_study(plan, tmp_path):
    cells = plan.cells(tmp_path)
    assert [cell.name for cell in cells] == ["s/full/s3", "s/none/s3", "s/full/s1", "s/none/s1"]
    assert cells[1].folder == tmp_path / "cells" / "none" / "s3"
    assert cells[1].arguments == ("--x=none",)


def test_a_plan_differs_when_its_command_lines_or_its_configs_do(plan):
    assert plan.differences(plan) == []
    changed = replace(plan.variants[1], arguments=("--x=other",))
    assert plan.differences(replace(plan, variants=(plan.variants[0], changed))) == [
        "variant none: --x=none -> --x=other"
    ]
    edited = replace(plan.variants[1], digest="e")
    assert plan.differences(replace(plan, variants=(plan.variants[0], edited))) == [
        "variant none: what its configs say"
    ]


def test_rows_that_changed_places_in_the_file_keep_what_was_planned_for_them(plan):
    turned = read_study(
        {**CONTENT, "variants": dict(reversed(CONTENT["variants"].items())), "baseline": "full"}, default_name="s"
    )
    assert plan.study.differences(turned) == []
    described = plan.describing(turned)
    assert [described.planned(name).arguments for name in ("full", "none")] == [("--x=full",), ("--x=none",)]


def test_new_words_leave_the_cells_as_they_are(plan, tmp_path):
    variants = {**CONTENT["variants"], "full": {"about": "everything"}}
    study = read_study({**CONTENT, "question": "Why?", "variants": variants}, default_name="s")
    described = plan.describing(study)
    assert described.study.question == "Why?"
    assert described.planned("full").variant.about == "everything"
    assert described.cells(tmp_path) == plan.cells(tmp_path)
