"""Every option that a config may hold, frozen: a change of name, type or default shows in the diff of options.txt."""

import dataclasses
import inspect
import os
import re
from pathlib import Path

import pytest

from hyrec.callbacks.checkpoint import BestCheckpoint
from hyrec.config.experiment import Experiment
from hyrec.config.parser import BUILTIN
from hyrec.config.shipped import find_file, load_mapping, shipped_configs
from hyrec.embeddings import EmbeddingOptions, SequenceOptions
from hyrec.inspection import inspect_ranker, without_memory
from hyrec.plugins.catalogue import Catalogue
from hyrec.ranker import Ranker
from hyrec.slots import SLOTS
from hyrec.testing.batches import tiny_schema
from hyrec.trust import options_of

FROZEN = Path(__file__).parent / "options.txt"
MODELS = [n for n in shipped_configs() if n.count("/") == 1]
OF_ONE_DATA_SET = [
    "pkg:hyrec/taac.yaml",
    "pkg:hyrec/taac_official.yaml",
]  # built on files of that shape in tests/integration/test_taac_kit.py
NO_OVERLAYS = ("/recipes/", "/ablations/", "/sweeps/", "/paper/")
OVERLAYS = [n for n in shipped_configs() if n.count("/") == 2 and not any(part in n for part in NO_OVERLAYS)]


def surface():
    own = [entry.cls for entry in Catalogue.load().of_package("hyrec") if entry.slot in SLOTS]
    lines = []
    for cls in [Ranker, EmbeddingOptions, SequenceOptions, BestCheckpoint, *BUILTIN[:2], *own]:
        parameters = inspect.signature(cls).parameters
        for name in options_of(cls):
            hint = parameters[name].annotation
            annotation = hint if isinstance(hint, str) else inspect.formatannotation(hint)
            default = parameters[name].default
            if default is inspect.Parameter.empty:
                shown = ""
            elif dataclasses.is_dataclass(default) or callable(default):
                shown = " = ..."
            else:
                shown = f" = {default!r}"
            lines.append(f"{cls.__name__}.{name}: {annotation}{shown}")
    return sorted(set(lines))


def test_the_option_surface_is_frozen():
    if os.environ.get("HYREC_UPDATE_OPTIONS"):
        FROZEN.write_text("\n".join(surface()) + "\n")
    frozen, now = FROZEN.read_text().split("\n")[:-1], surface()
    added, gone = sorted({*now} - {*frozen}), sorted({*frozen} - {*now})
    assert added == gone == [], (
        f"Options changed: new {added}, gone {gone}. If that is meant, run this test with HYREC_UPDATE_OPTIONS=1, "
        "and write the change down in CHANGELOG.md."
    )


@pytest.mark.parametrize("config", sorted({*MODELS} - {*OF_ONE_DATA_SET}))
def test_every_model_config_builds_on_any_schema(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_schema().save("tiny.yaml")
    assert flops(["--config", config, "--schema", "tiny.yaml", "--data", "ParquetData"]) > 0


def test_a_model_config_builds_on_the_simulated_log():
    assert flops(["--config", "pkg:hyrec/hyformer.yaml"]) > 0


def flops(options):
    with without_memory():
        model = Experiment.parse(options).model()
    lengths = dict.fromkeys(model.schema.sequences, 3)
    return inspect_ranker(model, lengths=lengths, candidates=2, batch_size=2).flops_per_sample


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_parses_on_a_model(overlay, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("data", "data/kuairand"):
        Path(folder).mkdir()
        tiny_schema().save(Path(folder) / "schema.yaml")
    options = Experiment.parse(["--config", "pkg:hyrec/debug.yaml", "--config", overlay]).options
    part = overlay.split("/")[1]
    expected = {"data": ("data", "class_path"), "trainer": ("trainer", "accelerator"), "logger": ("trainer", "logger")}
    group, key = expected[part]
    assert options[group][key]


@pytest.mark.parametrize("config", MODELS)
def test_model_configs_are_short_and_know_no_data_set(config):
    text = find_file(config).read_text()
    assert len(text.splitlines()) <= 60
    assert not re.search(r"^schema:", text, flags=re.MULTILINE)


def test_hyformer_and_its_base_architecture_differ_only_in_the_backbone():
    one, other = (load_mapping(f"pkg:hyrec/{name}.yaml") for name in ("hyformer", "longer_rankmixer"))
    assert one["model"]["init_args"].pop("backbone")["class_path"] == "AlternatingBackbone"
    assert other["model"]["init_args"].pop("backbone")["class_path"] == "TwoStageBackbone"
    assert one == other


@pytest.mark.parametrize("config", shipped_configs())
def test_every_config_begins_with_what_it_is(config):
    assert re.match(r"# \w", find_file(config, "config").read_text(encoding="utf-8"))
