"""The difference between two command lines, as resolved by the parser of ``hyrec fit``."""

import pytest
import yaml

from hyrec.studies.plan.command_lines import CommandLine, arguments_of, changes_between, flatten, option
from hyrec.studies.plan.plan import Change
from hyrec.studies.plan.planner import make_plan
from hyrec.studies.plan.request import StudyRequest
from hyrec.studies.plan.study import StudyError
from hyrec.studies.plan.study_file import read_study

DEBUG = "--config=pkg:hyrec/debug.yaml"
GIVEN = {"model": {"init_args": {"mixer": {"class_path": "RankMixer", "init_args": {"expansion": 1}}}}}


def resolve(*arguments):
    return CommandLine.parse("base", arguments).options


@pytest.fixture(scope="module")
def base():
    return resolve(DEBUG)


def test_an_argument_that_outlives_its_class_is_carried(base):
    found = changes_between(base, resolve(*[DEBUG, "--model.mixer=SelfAttentionMixer"]), given=[GIVEN])
    assert found[0] == Change("model.mixer", "RankMixer", "SelfAttentionMixer")
    assert Change("model.mixer.expansion", 1, 1, carried=True) in found
    assert Change("model.mixer.num_heads", None, 4) in found
    assert not [change for change in found if change.key in ("model.mixer.residual", "model.mixer.norm")]


def test_an_argument_that_the_variant_writes_itself_is_not_carried(base):
    own = {"class_path": "SelfAttentionMixer", "init_args": {"expansion": 1}}
    found = changes_between(
        base,
        resolve(*[DEBUG, option("model.mixer", own)]),
        given=[GIVEN],
        named=[{"model": {"mixer": own}}],
    )
    assert not [change for change in found if change.carried]
    assert Change("model.mixer", "RankMixer", "SelfAttentionMixer") in found


def test_an_argument_that_another_source_of_the_base_set_is_seen_by_its_value():
    """Without a list of what was given, a value that is no default of the new class must have come from the old."""
    base = resolve(*[DEBUG, "--model.mixer.expansion=7"])
    found = changes_between(base, resolve(*[DEBUG, "--model.mixer.expansion=7", "--model.mixer=SelfAttentionMixer"]))
    assert Change("model.mixer.expansion", 7, 7, carried=True) in found


def test_only_what_differs_is_listed(base):
    found = changes_between(
        base,
        resolve(
            *[
                DEBUG,
                "--model.queries.pooling=none",
                "--model.mixer.expansion=1",
                "--schema.sequences.views.max_length=9",
            ]
        ),
    )
    assert set(found) == {
        Change("model.queries.pooling", "all", "none"),
        Change("schema.sequences.views.max_length", 1000, 9),
    }
    assert changes_between(base, base) == ()


def test_seed_name_and_folder_are_no_difference(base):
    own = ["--seed_everything=5", "--name=x", "--trainer.default_root_dir=y"]
    assert changes_between(base, resolve(*[DEBUG, *own])) == ()


def test_lists_and_empty_mappings_are_values():
    assert flatten({"a": {"b": [1, 2], "c": {}}}) == {"a.b": [1, 2], "a.c": {}}


@pytest.mark.parametrize("value", ["none", "null", "1", "yes", "a: b", "", 3, 2.5, True, None, [1, "x"], {"k": "v"}])
def test_an_option_is_read_as_the_value_that_was_written(value):
    assert yaml.safe_load(option("key", value).removeprefix("--key=")) == value


def test_a_later_layer_stands_after_the_options_that_it_may_undo():
    study = read_study(
        {
            "base": {"options": {"model.mixer": "RankMixer", "model.mixer.expansion": 4}},
            "variants": {"a": {}, "b": {"options": {"model.mixer": "SelfAttentionMixer"}}},
        },
        default_name="s",
    )
    assert arguments_of(study, study.variants[1]) == ("--model.mixer.expansion=4", "--model.mixer=SelfAttentionMixer")


def test_a_typo_in_the_last_variant_is_refused_before_anything_runs():
    with pytest.raises(StudyError, match=r"variant b: model.mixer: RankMixer has no option 'expansio'. Did you mean"):
        make_plan(request(variants={"a": {}, "b": {"options": {"model.mixer.expansio": 2}}}))


def request(**changes):
    content = {"base": {"configs": ["pkg:hyrec/debug.yaml"]}, "variants": {"a": {}}, **changes}
    return StudyRequest("s.yaml", read_study(content, default_name="s"))


def test_a_metric_that_no_test_logs_is_refused_with_the_nearest():
    with pytest.raises(StudyError, match=r"no test logs 'query_au'. Did you mean 'query_auc'"):
        make_plan(request(metrics=["query_au"]))


def test_a_variant_that_cannot_be_built_is_refused_by_name():
    variants = {"a": {}, "odd": {"options": {"model.encoder.num_heads": 3}}}
    with pytest.raises(StudyError, match=r"variant odd: .*3"):
        make_plan(request(variants=variants))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"variants": {"a": {}, "b": {"options": {"model.queries.pooling": "all"}}}}, "variant b comes to the same"),
        ({"variants": {"a": {"options": {"test_after_fit": False}}}}, "variant a: test_after_fit is false"),
        ({"slices": {"user": "user_idd"}}, "slices.user is 'user_idd', which is no feature"),
    ],
)
def test_what_would_be_found_out_after_hours_is_refused_by_the_plan(changes, told):
    with pytest.raises(StudyError) as caught:
        make_plan(request(**changes))
    assert told in str(caught.value)
