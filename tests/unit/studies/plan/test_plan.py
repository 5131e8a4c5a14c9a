import json
from dataclasses import replace

import pytest

from hyrec.studies.plan.plan import Change, Plan, PlannedVariant
from hyrec.studies.plan.study import StudyError
from hyrec.studies.plan.study_file import read_study
from hyrec.studies.run.cell import cells_of

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


def test_a_folder_without_a_plan_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"is not the folder of a study: it holds no plan\.json"):
        Plan.load(tmp_path)
    (tmp_path / "plan.json").write_text('{"study": {}}')
    with pytest.raises(StudyError, match="cannot be read"):
        Plan.load(tmp_path)


def test_cells_come_seed_by_seed_in_the_order_of_the_study(plan, tmp_path):
    cells = cells_of(plan, tmp_path)
    assert [cell.name for cell in cells] == ["s/full/s3", "s/none/s3", "s/full/s1", "s/none/s1"]
    assert cells[1].folder == tmp_path / "cells" / "none" / "s3"
    assert cells[1].arguments == ("--x=none",)


def edited(plan, **changes):
    """Return the plan with its second variant changed."""
    return replace(plan, variants=(plan.variants[0], replace(plan.variants[1], **changes)))


def test_a_plan_differs_when_its_command_lines_or_its_configs_do(plan):
    assert plan.differences(plan) == []
    assert plan.differences(edited(plan, arguments=("--x=other",))) == ["variant none: --x=none -> --x=other"]
    assert plan.differences(edited(plan, digest="e")) == ["variant none: what its configs say"]


def test_arguments_in_another_order_are_a_difference(plan):
    one, other = (edited(plan, arguments=words) for words in (("--x=1", "--y=2"), ("--y=2", "--x=1")))
    assert one.differences(other) == ["variant none: the same arguments in another order"]


def test_the_option_that_changed_is_named_where_the_plan_holds_all_of_them(plan):
    before = edited(plan, options={"model.mixer.class_path": "A", "model.d": 8, "data.seed": None})
    after = edited(plan, digest="e", options={"model.mixer.class_path": "B", "model.d": 8})
    assert before.differences(after) == [
        'variant none: model.mixer: "A" -> "B"',
        "variant none: data.seed: null -> not set",
    ]


def test_seeds_and_variants_can_be_added_and_none_can_go(plan):
    more = read_study(
        {**CONTENT, "seeds": [5, 3, 1], "variants": {**CONTENT["variants"], "new": {"options": {"x": 1}}}},
        default_name="s",
    )
    new = replace(plan.variants[0], variant=more.variant("new"))
    larger = replace(plan, study=more, variants=(*plan.variants, new))
    assert plan.differences(larger) == []
    assert larger.differences(plan) == [
        "seeds: [5, 3, 1] -> [3, 1]; seeds can be added, none can go",
        "variant new is gone; variants can be added, none can go",
    ]


def test_a_plan_of_an_earlier_version_is_read(plan, tmp_path):
    path = plan.save(tmp_path)
    content = json.loads(path.read_text())
    del content["file_seeds"], content["working_folder"]
    for row in content["variants"]:
        del row["options"]
    path.write_text(json.dumps(content))
    assert Plan.load(tmp_path) == plan
