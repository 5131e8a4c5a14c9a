from hyrec.plugins.catalogue import Catalogue
from hyrec.slots import SLOTS

OWN = Catalogue.load().of_package("hyrec")


def test_the_components_of_the_three_models_are_there():
    assert {entry.name for entry in OWN if entry.slot in SLOTS} >= {
        "AlternatingBackbone",
        "AutoSplitTokens",
        "BCELoss",
        "CrossAttentionDecoder",
        "GlobalQueries",
        "GroupedTokens",
        "IdentityEncoder",
        "IdentityMixer",
        "LongerBlock",
        "LongerEncoder",
        "MLPHead",
        "NoDecode",
        "RankMixer",
        "SelfAttentionBlock",
        "SelfAttentionMixer",
        "SwiGLUEncoder",
        "TransformerEncoder",
        "TwoStageBackbone",
        "UnifiedBackbone",
        "Wukong",
    }


def test_no_two_classes_of_hyrec_share_a_name():
    names = [entry.name for entry in OWN]
    assert len(names) == len(set(names))


def test_classes_are_listed_by_name():
    for slot in SLOTS:
        names = [entry.name for entry in OWN if entry.slot == slot]
        assert names == sorted(names)


def test_data_metrics_and_callbacks_are_in_the_catalogue():
    slots = {entry.name: entry.slot for entry in OWN}
    names = ("ParquetData", "QueryAUC", "RankingProgress", "RankMixer")
    assert [slots[name] for name in names] == ["data", "metric", "callback", "mixer"]


def test_a_class_that_two_packages_have_is_named_by_its_path(install):
    install("hyrec-one", "one_plugin", "swap_mixer.py")
    install("hyrec-two", "two_plugin", "swap_mixer.py")
    catalogue = Catalogue.load()
    swaps = [entry for entry in catalogue.of_slot("mixer") if entry.name == "Swap"]
    assert [catalogue.name_in_config(entry) for entry in swaps] == ["one_plugin.Swap", "two_plugin.Swap"]
    assert [entry.source for entry in swaps] == ["hyrec-one 1.2", "hyrec-two 1.2"]
