from __future__ import annotations

import pytest
from lightning import Trainer

import hyrec.components  # noqa: F401
from hyrec.config.diagnose import diagnose, merge_options, refused_option
from hyrec.config.parser import BUILTIN
from hyrec.config.sources import Source, nest
from hyrec.data.base import RankingData
from hyrec.files import plain_value
from hyrec.ranker import Ranker
from hyrec.trust import options_of

OPTIONS = {"model": Ranker, "data": RankingData, "trainer": Trainer}
BASE = {
    "model": {
        "class_path": "Ranker",
        "init_args": {
            "d_model": 8,
            "mixer": {"class_path": "RankMixer", "init_args": {"expansion": 2}},
            "queries": {"class_path": "GlobalQueries", "init_args": {"num_queries": {"clicks": 2}}},
            "dense_optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": "1e-3"}},
            "encoders": {"views": "IdentityEncoder"},
            "head": {"class_path": "MLPHead", "init_args": {"hidden": [8, 4]}},
        },
    },
    "data": {"class_path": "ParquetData", "init_args": {"train": ["a.parquet"], "batch_size": 4}},
    "trainer": {"max_epochs": 2, "precision": "bf16-mixed", "logger": False, "devices": "auto"},
}


def found(*written):
    sources = [Source("base.yaml", BASE)]
    for option in written:
        key, _, value = option.partition("=")
        sources.append(Source(key, nest(key.lstrip("-"), plain_value(value))))
    return diagnose(sources, OPTIONS)


def test_a_right_config_is_not_blamed():
    assert found() == ""
    assert (
        found("--model.mixer=IdentityMixer", "--model.encoder.class_path=SwiGLUEncoder", "--trainer.logger=true") == ""
    )


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--model.mixer=RankMixr", "model.mixer: there is no TokenMixer 'RankMixr'. Did you mean 'RankMixer'?"),
        ("--model.class_path=Rankr", "there is no Ranker 'Rankr'. Did you mean 'Ranker'?"),
        ("--model.mixer.expansin=3", "model.mixer: RankMixer has no option 'expansin'. Did you mean 'expansion'?"),
        ("--model.init_args.mixer.init_args.expansin=3", "Did you mean 'expansion'?"),
        (
            "--model.mixer.residual=singl",
            "model.mixer.residual is 'singl'. Did you mean 'single'? Allowed: single, double.",
        ),
        ("--model.encoders.views=IdentityEncodr", "Did you mean 'IdentityEncoder'?"),
        ("--model.embedding.dmi=3", "model.embedding has no option 'dmi'. Did you mean 'dim'?"),
        ("--model.d_modle=3", "Ranker has no option 'd_modle'. Did you mean 'd_model'?"),
        ("--model.d_model=wide", "model.d_model must be int, got 'wide'."),
        ("--model.pad_tokens=3", "model.pad_tokens must be bool, got 3."),
        ("--model.dense_optimizer.lrr=3", "AdamW has no option 'lrr'. Did you mean 'lr'?"),
        ("--model.schedule.warmpu=1", "Did you mean 'warmup'?"),
        ("--data=ParquetDta", "there is no RankingData 'ParquetDta'. Did you mean 'ParquetData'?"),
        ("--data.batch_sise=3", "ParquetData has no option 'batch_sise'. Did you mean 'batch_size'?"),
        ("--data.policies.negative=mising", "Did you mean 'missing'?"),
        ("--trainer.max_epoch=3", "Trainer has no option 'max_epoch'. Did you mean 'max_epochs'?"),
        ("--trainer.precision=bf16mixed", "Did you mean 'bf16-mixed'?"),
        ("--trainer.callbacks=RichProgressBa", "Did you mean 'RichProgressBar'?"),
        ("--trainr.max_epochs=3", "There is no option 'trainr'. Did you mean 'trainer'?"),
        ("--model.mixer=gone.Mixer", "there is no package or module 'gone'"),
        ("--model.mixer=hyrec.mixers.RankMixr", "the module 'hyrec.mixers' has no class 'RankMixr'."),
        ("--model.metrics+=GAUK", "model.metrics: there is no RankingMetric 'GAUK'. Did you mean 'GAUC'?"),
        ("--model.metrics+=[AUC, GAUK]", "model.metrics[1]: there is no RankingMetric 'GAUK'. Did you mean 'GAUC'?"),
        ("--model.metrcs+=AUC", "Ranker has no option 'metrcs'. Did you mean 'metrics'?"),
        ("--model.head.hidden+=wide", "model.head.hidden[2] must be int, got 'wide'."),
        ("--model.d_model+=4", "model.d_model takes one value, got the list [8, 4]."),
        ("--trainer.max_epochs+=4", "trainer.max_epochs takes one value, got the list [2, 4]."),
        ("--trainer.callbacks+=LearningRateMonitr", "Did you mean 'LearningRateMonitor'?"),
        ("--trainer.callbacks+={class_path: Timer, init_args: {duratin: 1}}", "Did you mean 'duration'?"),
        ("--model.encoder=3", "model.encoder must be a SequenceEncoder class, got 3."),
    ],
)
def test_each_place_gets_the_nearest_right_spelling(option, told):
    assert told in found(option)


def test_an_option_of_the_item_that_was_added_last_is_checked_with_its_class():
    added = ("--trainer.callbacks+=Timer", "--trainer.callbacks+=LearningRateMonitor")
    assert found(*added, "--trainer.callbacks.logging_interval=step") == ""
    told = found(*added, "--trainer.callbacks.logging_intervl=step")
    assert "trainer.callbacks[1]: LearningRateMonitor has no option 'logging_intervl'." in told


def test_items_are_added_to_those_of_the_sources_before():
    merged = {}
    for tree in ({"a": [1]}, {"a+": 2}, {"a+": [3, 4]}, {"b+": [5]}):
        merge_options(merged, tree)
    assert merged == {"a": [1, 2, 3, 4], "b": [5]}


def test_a_mistake_in_a_key_that_appends_is_told_without_the_sign_and_with_its_file():
    told = diagnose([Source("mine.yaml", {"model": {"class_path": "Ranker", "metrics+": ["GAUK"]}})], OPTIONS)
    assert told.startswith("model.metrics[0]: there is no RankingMetric 'GAUK'.")
    assert told.endswith("(in mine.yaml)")


def test_the_file_of_a_mistake_is_named():
    wrong = Source("mine.yaml", {"model": {"init_args": {"mixer": {"init_args": {"norm": "prre"}}}}})
    told = diagnose([Source("base.yaml", BASE), wrong], OPTIONS)
    assert "model.mixer.norm is 'prre'. Did you mean 'pre'?" in told
    assert told.endswith("(in mine.yaml)")


def test_another_class_drops_the_options_of_the_class_before_it():
    assert found("--model.mixer=SelfAttentionMixer", "--model.mixer.num_heads=2") == ""
    assert "has no option 'expansion'" not in found("--model.mixer.class_path=IdentityMixer")


class Root:
    """A base with two children of one name."""


TWINS = [type("Twin", (Root,), {"__module__": module}) for module in ("package_a", "package_b")]


def test_two_classes_of_one_name_are_told_apart_by_their_paths():
    told = diagnose([Source("f", {"twin": "Twin"})], {"twin": Root})
    assert "'Twin' names several classes. Write one of package_a.Twin and package_b.Twin." in told


def test_an_option_refused_of_a_default_class_names_its_options():
    message = "expects ...: Option 'lrr' is not accepted. Got value: Namespace(class_path='torch.optim.AdamW', x=1)"
    assert "AdamW has no option 'lrr'. Did you mean 'lr'?" in refused_option(message)
    message = "Problem with given class_path 'torch.optim.AdamW':\n    Option 'lrr' is not accepted"
    assert "AdamW has no option 'lrr'. Did you mean 'lr'?" in refused_option(message)
    assert refused_option("something else") == ""


def test_the_builtin_data_classes_are_known():
    assert {"batch_size", "num_workers"} <= set(options_of(BUILTIN[0]))


def test_options_beside_a_class_are_told_where_they_belong():
    tree = {"model": {"init_args": {"encoders": {"views": {"class_path": "SwiGLUEncoder", "expansion": 3}}}}}
    told = diagnose([Source("mine.yaml", tree)], OPTIONS)
    assert told.startswith("model.init_args.encoders.views has 'expansion' beside class_path.")
    assert "{class_path: SwiGLUEncoder, init_args: {expansion: ...}}" in told
    assert told.endswith("(in mine.yaml)")
