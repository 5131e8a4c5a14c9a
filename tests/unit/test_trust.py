"""No config, option or checkpoint runs a function, or builds a class that its place does not ask for."""

import inspect
import sys

import pytest
import torch
import yaml

import hyrec.components  # noqa: F401
from hyrec.cli.main import main
from hyrec.config.experiment import Experiment
from hyrec.config.parser import GROUPS
from hyrec.data.base import RankingData
from hyrec.messages import CommandError
from hyrec.ranker import Ranker
from hyrec.slots import SLOTS
from hyrec.trust import UntrustedCodeError, is_trusted, options_of, refuse_code, remember

DEBUG = ["--config", "pkg:hyrec/debug.yaml"]
CALLED = []


def witness(*args, **kwargs):
    """Note that it was called."""
    CALLED.append((args, kwargs))


FUNCTIONS = ["os.system", "builtins.exec", "subprocess.run", "shutil.rmtree", f"{__name__}.witness"]
OTHER_CLASSES = ["subprocess.Popen", "pathlib.Path", "hyrec.schema.Schema"]


def places():
    """Every option of the model, data, trainer and checkpoint that a class can stand at, with a way to write it."""
    for group, base in GROUPS.items():
        if group in ("model", "data"):
            yield (group,)
        for name, hint in options_of(base).items():
            if "Callable" in str(hint) or (inspect.isclass(hint) and not hint.__module__.startswith("builtins")):
                yield (group, name)
    yield ("model", "encoders", "views")
    yield ("model", "decoders", "views")
    for name in ("callbacks", "logger", "strategy", "plugins", "profiler", "accelerator"):
        yield ("trainer", name)


def config_of(place, value):
    tree = value
    *outer, last = place
    tree = {last: tree}
    for key in reversed(outer):
        tree = {key: {"init_args": tree} if key in ("model", "data") else tree}
    return tree


@pytest.fixture(autouse=True)
def nothing_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path / "cache"))
    CALLED.clear()
    yield
    assert CALLED == []


@pytest.mark.parametrize("place", list(places()), ids=".".join)
def test_no_place_takes_a_function(place):
    group = place[0]
    for function in FUNCTIONS:
        for value in ({"class_path": function, "init_args": {"command": "x"}}, {"class_path": function}, function):
            plain_text_is_fine = value == function and group == "trainer" and place[1] in ("strategy", "accelerator")
            if not plain_text_is_fine:  # a name of Lightning's registries, which is looked up and never imported
                with pytest.raises(UntrustedCodeError, match=r"never functions|no class can stand here"):
                    refuse_code(GROUPS[group], config_of(place, value)[group], group)


@pytest.mark.parametrize("place", list(places()), ids=".".join)
def test_a_config_with_a_function_is_refused_before_it_runs(place, tmp_path):
    hidden = {"class_path": f"{__name__}.witness", "init_args": {"command": "touch called"}}
    (tmp_path / "theirs.yaml").write_text(yaml.safe_dump(config_of(place, hidden)))
    with pytest.raises(CommandError) as told:
        Experiment.parse([*DEBUG, "--config", "theirs.yaml"])
    assert len(str(told.value).splitlines()) <= 5


@pytest.mark.parametrize("slot", [*SLOTS, "dense_optimizer", "sparse_optimizer"])
def test_a_slot_takes_neither_a_function_nor_another_class_from_the_command_line(slot):
    path = OTHER_CLASSES[len(slot) % len(OTHER_CLASSES)]
    for option in (f"--model.{slot}={path}", f"--model.init_args.{slot}.class_path=os.system"):
        with pytest.raises(UntrustedCodeError, match=rf"model\.{slot}"):
            Experiment.parse([*DEBUG, option])


def test_a_file_that_an_option_names_is_no_way_around(tmp_path):
    (tmp_path / "mixer.yaml").write_text("class_path: os.system\ninit_args: {command: touch called}\n")
    with pytest.raises((CommandError, ValueError)):
        Experiment.parse([*DEBUG, "--model.mixer=mixer.yaml"]).model()
    assert not (tmp_path / "called").exists()


def test_a_callback_that_takes_functions_gets_none_from_a_config():
    callback = "{class_path: LambdaCallback, init_args: {on_fit_start: os.system}}"
    with pytest.raises(UntrustedCodeError, match="names a function"):
        Experiment.parse([*DEBUG, f"--trainer.callbacks+={callback}"])


def test_a_class_hidden_where_anything_is_allowed_is_refused():
    value = {"class_path": "hyrec.data.parquet.ParquetData", "init_args": {"train": {"class_path": "os.system"}}}
    with pytest.raises(UntrustedCodeError):
        refuse_code(RankingData, value, "data")


def test_a_module_that_is_neither_installed_nor_loaded_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text("open('called', 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UntrustedCodeError, match="load it with --plugin theirs"):
        Experiment.parse([*DEBUG, "--model.mixer=theirs.Mixer"])
    assert "theirs" not in sys.modules
    assert not (tmp_path / "called").exists()


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint whose options name a function in a slot."""

    def write(**options):
        model = Experiment.parse(DEBUG).model()
        content = {"state_dict": model.state_dict(), "hyper_parameters": {**dict(model.hparams), **options}}
        training = {"optimizer_states": [], "lr_schedulers": [], "loops": {}}
        torch.save({**content, **training, "pytorch-lightning_version": "2.6.6"}, tmp_path / "theirs.ckpt")
        return str(tmp_path / "theirs.ckpt")

    return write


HIDDEN = {"class_path": "os.system", "init_args": {"command": "touch called"}}


@pytest.mark.parametrize("options", [{"mixer": HIDDEN}, {"encoders": {"views": HIDDEN}}, {"dense_optimizer": HIDDEN}])
def test_a_checkpoint_builds_no_function(options, checkpoint, tmp_path):
    path = checkpoint(**options)
    with pytest.raises(UntrustedCodeError):
        Ranker.load_from_checkpoint(path)
    for command in ("test", "predict", "validate", "fit"):
        with pytest.raises(UntrustedCodeError):
            Experiment.parse([command, *DEBUG, "--ckpt_path", path])
    assert not (tmp_path / "called").exists()


def test_a_checkpoint_of_ours_is_loaded(checkpoint):
    assert Ranker.load_from_checkpoint(checkpoint()).network.ctx.d_model == 16


def test_a_config_loads_local_code_only_after_it_was_named_and_while_it_stays_the_same(tmp_path, forget_modules):
    plugin = tmp_path / "local_code.py"
    plugin.write_text("LOADED = True\n")
    (tmp_path / "run.yaml").write_text(f"plugins: ['{plugin}']\n")
    words = [*DEBUG, "--config", "run.yaml"]
    with pytest.raises(UntrustedCodeError, match=rf"add --plugin {plugin}"):
        Experiment.parse(words)
    assert "local_code" not in sys.modules
    Experiment.parse([*words, "--plugin", str(plugin)])
    Experiment.parse(words)
    plugin.write_text("LOADED = 'something else'\n")
    with pytest.raises(UntrustedCodeError, match="as it is now"):
        Experiment.parse(words)


@pytest.fixture
def forget_modules():
    yield
    sys.modules.pop("local_code", None)


def test_installed_packages_need_no_name(tmp_path):
    assert is_trusted("hyrec")
    assert not is_trusted(str(tmp_path / "gone.py"))
    remember(str(tmp_path / "gone.py"))
    assert not (tmp_path / "cache" / "plugins.json").exists()


@pytest.mark.parametrize("path", ["pkg:hyrec/../../../etc/passwd", "pkg:hyrec/../hyrec/ranker.py"])
def test_a_path_inside_of_a_package_stays_inside(path, capsys):
    assert main(["fit", "--config", path]) == 2
    assert "leads out of the package 'hyrec'" in capsys.readouterr().err


def test_a_class_that_tells_nothing_of_its_options_takes_none():
    assert options_of(torch.Tensor) == {}
