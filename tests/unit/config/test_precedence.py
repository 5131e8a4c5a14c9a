"""What stands later on the command line wins, configs and options alike (docs/configs.md)."""

import pytest
import yaml

from hyrec.cli.main import main


@pytest.fixture
def resolved(tmp_path, monkeypatch, capsys):
    """Return the config that ``hyrec fit`` makes of small files and options."""
    monkeypatch.chdir(tmp_path)
    for number in (3, 4):
        (tmp_path / f"epochs{number}.yaml").write_text(f"trainer: {{max_epochs: {number}}}\n")

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["fit", "--config=pkg:hyrec/debug.yaml", *arguments, "--print_config"])
        assert ended.value.code in (0, None)
        return yaml.safe_load(capsys.readouterr().out)

    return run


@pytest.mark.parametrize(
    ("arguments", "epochs"),
    [
        ([], 1),
        (["--config=epochs3.yaml", "--config=epochs4.yaml"], 4),
        (["--config=epochs4.yaml", "--config=epochs3.yaml"], 3),
        (["--config=epochs3.yaml", "--trainer.max_epochs=7"], 7),
        (["--trainer.max_epochs=7", "--config=epochs3.yaml"], 3),
    ],
    ids=["config", "later config", "earlier config", "later option", "earlier option"],
)
def test_the_later_source_wins(arguments, epochs, resolved):
    config = resolved(*arguments)
    assert config["trainer"]["max_epochs"] == epochs
    # What the later source does not name stays.
    assert config["trainer"]["accelerator"] == "cpu"


def test_the_default_data_is_weakest_and_init_args_may_be_left_out_of_an_option(resolved):
    config = resolved("--data.batch_size=32", "--model.mixer.expansion=3")
    assert config["data"]["init_args"]["batch_size"] == 32
    assert config["data"]["init_args"]["simulator"]["num_requests"] == 600
    assert config["data"]["init_args"]["simulator"]["strengths"]["two_hop"] > 0
    assert config["model"]["init_args"]["mixer"]["init_args"]["expansion"] == 3


def test_another_class_keeps_the_options_that_both_have(resolved):
    config = resolved("--model.mixer=SelfAttentionMixer")
    assert config["model"]["init_args"]["mixer"] == {
        "class_path": "hyrec.mixers.SelfAttentionMixer",
        "init_args": {"num_heads": 4, "expansion": 1, "feedforward": "shared", "dropout": 0.0},
    }
