import json

import pytest
import yaml

from hyrec.config.sources import read_sources
from hyrec.messages import CommandError
from hyrec.schema import Schema, SchemaError
from hyrec.testing.batches import tiny_schema


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_schema().save("tiny.yaml")
    return tmp_path


def settled(sources):
    (text,) = [a.removeprefix("--schema=") for a in sources.args if a.startswith("--schema=")]
    return Schema.from_dict(json.loads(text))


def write(path, **content):
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_without_data_the_simulated_log_is_meant():
    sources = read_sources(["--trainer.max_epochs", "2"])
    assert sources.trees[0].tree["data"]["class_path"] == "SimulatedData"
    assert "--trainer.max_epochs=2" in sources.args


def test_tuning_the_data_keeps_the_simulated_log(folder):
    config = write(folder / "m.yaml", data={"init_args": {"batch_size": 4}})
    assert "simulated" in read_sources(["--config", config]).trees[0].name


@pytest.mark.parametrize("given", [["--data", "ParquetData"], ["--schema", "tiny.yaml"]])
def test_choosing_data_leaves_the_simulated_log_out(given, folder):
    assert all("simulated" not in source.name for source in read_sources(given).trees)


def test_the_last_schema_counts_as_a_whole(folder):
    first = write(folder / "first.yaml", schema={"features": {"a": {"vocab_size": 9}}, "tasks": {"t": {}}})
    second = write(folder / "second.yaml", schema="tiny.yaml")
    assert settled(read_sources(["--config", first, "--config", second])) == tiny_schema()
    assert list(settled(read_sources(["-c", second, f"--config={first}"])).features) == ["a"]


def test_one_key_of_the_schema_can_be_changed(folder):
    schema = settled(read_sources(["--schema", "tiny.yaml", "--schema.sequences.clicks.max_length", "3"]))
    assert schema.sequences["clicks"].max_length == 3
    assert schema.sequences["searches"] == tiny_schema().sequences["searches"]


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--schema.sequences.clicks.max_lenth=3", "Did you mean 'max_length'?"),
        ("--schema.sequencs.clicks.max_length=3", "Did you mean 'sequences'?"),
        ("--schema.features.user.role=usr", "Did you mean 'user'?"),
    ],
)
def test_a_wrong_key_of_the_schema_gets_the_nearest(option, told, folder):
    with pytest.raises(SchemaError) as caught:
        read_sources(["--schema", "tiny.yaml", option])
    assert told in str(caught.value)


def test_a_schema_file_that_is_missing_is_named_with_its_config(folder):
    config = write(folder / "d.yaml", schema="tinny.yaml", data={"class_path": "ParquetData"})
    with pytest.raises(CommandError, match=r"d.yaml: The schema 'tinny.yaml' does not exist. Did you mean 'tiny.yaml'"):
        read_sources(["--config", config])


def test_changing_a_schema_needs_one(folder):
    with pytest.raises(CommandError, match="none is given before it"):
        read_sources(["--data", "ParquetData", "--schema.layout", "flat"])


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("# note\nlr: 1e-3\nschema: tiny.yaml\nname: x # why\nplugins: []\n", "# note\nlr: 1e-3\nname: x # why\n"),
        ("{a: 1, schema: tiny.yaml, c: 3}", "{a: 1, c: 3}"),
    ],
)
def test_a_config_without_its_schema_is_handed_on_as_it_is_written(text, rest, folder):
    (folder / "m.yaml").write_text(text)
    (config,) = [word for word in read_sources(["--config", "m.yaml"]).args if word.startswith("--config=")]
    assert config == f"--config={rest}"


def test_the_run_is_named_after_the_first_config_unless_it_says_so(folder):
    write(folder / "mine.yaml", trainer={})
    assert read_sources(["-c", "mine.yaml", "--schema", "tiny.yaml"]).run_name == "mine"
    assert read_sources(["-c", "mine.yaml", "--schema", "tiny.yaml", "--name", "n1"]).run_name == "n1"


@pytest.mark.parametrize("arguments", [["fit"], ["--config"], ["--plugin", "--x"]])
def test_what_is_no_option_is_refused(arguments):
    with pytest.raises(CommandError):
        read_sources(arguments)


def test_plugins_of_configs_and_command_line_are_loaded_once_each(folder):
    (folder / "local_one.py").write_text("LOADED = []")
    config = write(folder / "m.yaml", plugins=[str(folder / "local_one.py")])
    sources = read_sources(["--config", config, "--plugin", str(folder / "local_one.py"), "--schema", "tiny.yaml"])
    assert sources.plugins == [str(folder / "local_one.py")]
    assert f"--plugins={json.dumps(sources.plugins)}" in sources.args


def test_plugins_must_be_a_list(folder):
    config = write(folder / "m.yaml", plugins="local.py")
    with pytest.raises(CommandError, match="plugins must be a list"):
        read_sources(["--config", config])


def test_naming_the_simulated_log_brings_its_schema(folder):
    config = write(folder / "m.yaml", data={"class_path": "SimulatedData"})
    assert "simulated" in read_sources(["--config", config]).trees[0].name


def test_the_help_of_a_class_comes_last():
    assert read_sources(["--model.help", "Ranker", "--name", "x"]).args[-1] == "--model.help=Ranker"
