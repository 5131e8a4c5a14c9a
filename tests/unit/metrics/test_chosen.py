"""Which metrics a model gets, and what is known about the figures that a run logs."""

from functools import partial

import pytest
import torch

from hyrec.metrics import AUC, DEFAULT_METRICS, CalibrationError, QueryAUC, build_metrics, default_metrics, facts_of
from hyrec.metrics.facts import MetricFacts


def test_the_default_is_what_a_config_that_names_nothing_comes_to():
    assert list(build_metrics(DEFAULT_METRICS)) == ["auc", "query_auc", "gauc", "logloss", "ne", "pcoc", "ece"]


def test_a_class_a_factory_and_what_a_config_holds_name_metrics_alike():
    mapping = {"class_path": "hyrec.metrics.CalibrationError", "init_args": {"binning": "equal_width"}}
    built = build_metrics([AUC, partial(CalibrationError, num_bins=3), "hyrec.metrics.GAUC", mapping])
    assert list(built) == ["auc", "ece@3", "gauc", "ece_equal_width"]


def test_every_call_gives_metrics_of_their_own():
    first, second = default_metrics(), default_metrics()
    first["auc"].update(torch.tensor([0.5]), torch.tensor([1.0]))
    assert not second["auc"].preds


def test_two_metrics_of_one_name_are_refused():
    with pytest.raises(ValueError, match="'auc' twice"):
        build_metrics([*DEFAULT_METRICS, AUC])


@pytest.mark.parametrize("wrong", ["hyrec.metrics.ACU", "os.system", {"class_path": "hyrec.metrics.AUC", "k": 3}])
def test_what_is_no_metric_is_refused(wrong):
    with pytest.raises(ValueError, match=r"model\.metrics"):
        build_metrics([wrong])


def test_a_factory_of_something_else_is_refused():
    with pytest.raises(TypeError, match=r"model.metrics\[1\] makes a int, which is no RankingMetric"):
        build_metrics([AUC, lambda: 3])


def test_without_groups_the_defaults_that_need_them_are_left_out_whatever_follows():
    assert list(build_metrics(has_groups=False)) == ["auc", "logloss", "ne", "pcoc", "ece"]
    more = build_metrics([*DEFAULT_METRICS, partial(CalibrationError, num_bins=3)], has_groups=False)
    assert list(more) == ["auc", "logloss", "ne", "pcoc", "ece", "ece@3"]


def test_a_metric_that_was_asked_for_and_needs_groups_is_refused_without_them():
    with pytest.raises(ValueError, match=r"'query_auc' needs the group of every row.*has no group_column"):
        build_metrics([AUC, QueryAUC], has_groups=False)


@pytest.mark.parametrize(
    ("logged", "mode", "best"),
    [
        ("query_auc", "max", 1.0),
        ("val/like/logloss", "min", 0.0),
        ("test/loss", "min", 0.0),
        ("ece", "min", 0.0),
        ("pcoc", None, 1.0),
        ("val/of_a_callback", None, None),
    ],
)
def test_a_logged_figure_has_the_facts_of_its_metric(logged, mode, best):
    facts = facts_of(logged, default_metrics())
    assert (facts.mode, facts.best_value) == (mode, best)
    assert facts.direction == {"max": 1, "min": -1, None: 0}[mode]


def test_of_an_unknown_figure_no_more_is_known_than_that_it_was_logged():
    facts = facts_of("val/mine", default_metrics())
    assert (facts.name, facts.definition, facts.chance) == ("", MetricFacts.definition, None)
    assert facts_of("val/auc", {}).direction == 0


@pytest.mark.parametrize("metric", default_metrics().values(), ids=lambda metric: metric.name)
def test_exactly_the_aucs_have_a_value_of_chance(metric):
    assert metric.chance == (0.5 if "auc" in metric.name else None)
    assert metric.needs_group == (metric.name in ("query_auc", "gauc"))
