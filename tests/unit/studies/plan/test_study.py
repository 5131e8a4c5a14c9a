import json
from dataclasses import asdict

import pytest
import yaml

from hyrec.messages import CommandError
from hyrec.studies.plan.study import Study, StudyError, from_plain
from hyrec.studies.plan.study_file import load_study, read_study

BASE = {
    "name": "s",
    "base": {"configs": ["a.yaml"], "options": {"data.batch_size": 8}},
    "seeds": [0, 1],
    "variants": {"full": {}, "none": {"options": {"model.queries.pooling": "none"}}},
}


def study(**changes):
    return read_study({**BASE, **changes}, default_name="file")


def test_a_study_without_a_grid_has_one_row_a_family():
    found = study()
    assert [v.name for v in found.variants] == ["full", "none"]
    assert (found.baseline, found.configs, found.options) == ("full", ("a.yaml",), {"data.batch_size": 8})


def test_every_family_stands_at_every_point_of_the_grid_and_is_compared_there():
    grid = {"model.d_model": [32, 64], "length": {"short": {"schema.sequences.v.max_length": 8}, "long": {}}}
    found = study(grid=grid)
    assert [v.name for v in found.variants][:3] == [
        "full@d_model=32,length=short",
        "none@d_model=32,length=short",
        "full@d_model=32,length=long",
    ]
    assert len(found.variants) == 8
    assert found.variant("none@d_model=64,length=short").point == {
        "model.d_model": 64,
        "schema.sequences.v.max_length": 8,
    }
    assert found.baseline_of(found.variant("none@d_model=64,length=long")).name == "full@d_model=64,length=long"


def test_the_name_is_that_of_the_file_unless_it_has_one(tmp_path):
    content = {key: value for key, value in BASE.items() if key != "name"}
    path = tmp_path / "table2.yaml"
    path.write_text(yaml.safe_dump(content))
    assert load_study(path).name == "table2"
    path.write_text(yaml.safe_dump(BASE))
    assert load_study(path).name == "s"


def test_a_study_survives_its_dictionary():
    found = study(grid={"model.d_model": [8]}, match={"flops": "2%"}, scaling={"x": ["flops_per_sample"]})
    assert from_plain(Study, asdict(found)) == found


@pytest.mark.parametrize(("written", "share"), [("2%", 0.02), (0.02, 0.02), ("0.5 %", 0.005)])
def test_a_tolerance_is_a_percentage_or_a_share(written, share):
    assert study(match={"flops": written}).variants[1].match == {"flops": pytest.approx(share)}


def test_the_match_of_the_study_is_for_all_but_the_baseline_and_gives_way_to_a_variants_own():
    variants = {
        "full": {},
        "a": {"options": {"x.y": 1}},
        "b": {"options": {"x.y": 1}, "match": {}},
        "c": {"options": {"x.y": 1}, "match": {"dense_parameters": "1%"}},
    }
    found = study(variants=variants, match={"flops": "2%"})
    assert [dict(v.match) for v in found.variants] == [{}, {"flops": 0.02}, {}, {"dense_parameters": 0.01}]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"varants": {}}, "the study has no key 'varants'. Did you mean 'variants'?"),
        ({"base": {"config": []}}, "base has no key 'config'. Did you mean 'configs'?"),
        ({"variants": {}}, "variants is empty"),
        ({"variants": {"a": {}, "b": {"option": {}}}}, "variants.b has no key 'option'. Did you mean 'options'?"),
        ({"baseline": "ful"}, "The baseline 'ful' is no variant. Did you mean 'full'?"),
        ({"seeds": [0, 1, 0]}, "seeds holds 0 twice"),
        ({"seeds": [0.5]}, "seeds must be whole numbers"),
        ({"seeds": [2**32]}, "seeds must be whole numbers from 0 to 4294967295, got 4294967296"),
        ({"seeds": 3}, "seeds must be a list of whole numbers"),
        ({"metrics": []}, "metrics is empty"),
        ({"metrics": ["auc", "auc"]}, "metrics names one twice"),
        ({"metrics": ["test/auc"]}, "write 'auc' instead of 'test/auc'"),
        ({"match": {"flop": "2%"}}, "match has no key 'flop'. Did you mean 'flops'?"),
        ({"match": {"flops": "200%"}}, "must be above 0 and below 100%"),
        ({"match": {"flops": "two"}}, "match.flops must be a number"),
        ({"slices": {"query": "x"}}, "slices has no key 'query'"),
        ({"scaling": {"x": ["flop_per_sample"]}}, "no axis 'flop_per_sample'. Did you mean 'flops_per_sample'?"),
        ({"name": "a/b"}, "'a/b' becomes the name of a folder"),
        ({"variants": {"a": {}, "b@2": {"options": {"x": 1}}}}, "'b@2' becomes the name of a folder"),
        ({"variants": {"a": {"match": {"flops": "2%"}}, "b": {"options": {"x": 1}}}}, "the baseline is what"),
        ({"variants": {"a": {}, "b": {"options": {"name": "x"}}}}, "'name' is set by the study itself"),
        ({"variants": {"a": {}, "b": {"options": {"--x": 1}}}}, "'--x' is not an option"),
        ({"variants": {"a": {"paper": {"auc": "high"}}}}, "variants.a.paper.auc must be a number"),
        ({"grid": {"model.d_model": 32}}, "grid.model.d_model must be a list of values"),
        ({"grid": {"model.d_model": [32, 32]}}, "needs values that differ"),
        ({"grid": {"model.mixer": [{"class_path": "A"}]}}, "Use a mapping of labels to options"),
        ({"grid": {"model.x": ["a/b"]}}, "Give the step a label: grid: {x: {LABEL: {model.x: VALUE}}}"),
        ({"grid": {"model.queries.pooling": ["all"]}}, "sets 'model.queries.pooling', which the grid sets too"),
        ({"grid": {"model.a": [1], "b": {"x": {"model.a": 2}}}}, "'model.a' stands on two axes"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(changes, told):
    with pytest.raises(StudyError) as caught:
        study(**changes)
    assert told in str(caught.value)


def test_broken_yaml_names_the_line(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("variants:\n  a: {\n")
    with pytest.raises(CommandError, match="not valid YAML in line 3"):
        load_study(path)


def test_a_variant_with_no_options_of_its_own_is_fine_when_the_baseline_has_some():
    found = study(variants={"base": {"options": {"x": 1}}, "full": {}}, baseline="base")
    assert found.families == ("base", "full")


def test_a_selection_keeps_the_baseline():
    found = study(variants={**BASE["variants"], "other": {"options": {"x": 1}}}, grid={"model.d_model": [8, 16]})
    assert [v.name for v in found.select(variants=["other"], seeds=[5]).variants] == [
        "full@d_model=8",
        "other@d_model=8",
        "full@d_model=16",
        "other@d_model=16",
    ]
    one = found.select(variants=["other@d_model=16"], seeds=[5])
    assert ([v.name for v in one.variants], one.seeds) == (["full@d_model=16", "other@d_model=16"], (5,))
    with pytest.raises(StudyError, match=r"no variant 'othr'. Did you mean 'other'"):
        found.select(variants=["othr"])
    with pytest.raises(StudyError, match="seeds holds 1 twice"):
        found.select(seeds=[1, 1])


@pytest.mark.parametrize("rest", ["  b: {options: {x: 2}}\n", "  c: {options: {x: 2, x: 3}}\n"])
def test_a_key_that_stands_twice_is_refused_instead_of_dropped(tmp_path, rest):
    (tmp_path / "s.yaml").write_text(f"variants:\n  a: {{}}\n  b: {{options: {{x: 1}}}}\n{rest}")
    with pytest.raises(CommandError, match=r"line 4: the key .* is written twice"):
        load_study(tmp_path / "s.yaml")


def test_merged_and_shared_mappings_are_no_key_twice(tmp_path):
    text = "variants:\n  a: {}\n  b: {options: &b {x: 1, y: 2}}\n  c: {options: {<<: *b, x: 3}}\n"
    (tmp_path / "s.yaml").write_text(text)
    assert load_study(tmp_path / "s.yaml").variant("c").options == {"x": 3, "y": 2}


def test_a_date_is_the_word_that_was_written(tmp_path):
    (tmp_path / "s.yaml").write_text("base: {options: {data.start: 2024-01-31}}\nvariants: {a: {}}\n")
    found = load_study(tmp_path / "s.yaml")
    assert found.options == {"data.start": "2024-01-31"}
    assert from_plain(Study, json.loads(json.dumps(asdict(found)))) == found


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "s.yaml").write_bytes("question: café".encode("latin-1"))
    with pytest.raises(CommandError, match="not a text file in UTF-8"):
        load_study(tmp_path / "s.yaml")
