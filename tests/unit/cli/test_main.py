import pytest

from hyrec import __version__
from hyrec.cli.arguments import StrictParser
from hyrec.cli.main import main
from hyrec.config.parser import parser_of
from tests.new_processes import heavy_packages_of


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plugins", "list"], ["fitt"]])
def test_quick_commands_import_nothing_heavy(arguments):
    assert heavy_packages_of(*arguments) == set()


def test_help_names_every_command(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in ("fit", "validate", "test", "predict", "inspect", "data", "plugins"))


def test_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"hyrec {__version__}"


def test_an_unknown_command_gets_the_nearest(mistake):
    assert "There is no command 'fitt'. Did you mean 'fit'?" in mistake("fitt")


def test_an_unknown_data_action_gets_the_nearest(mistake):
    assert "Did you mean 'build'?" in mistake("data", "biuld")


def test_an_unknown_option_of_a_data_action_gets_the_nearest(mistake):
    assert "Did you mean '--recipe'?" in mistake("data", "build", "--recpie", "x", "--input", "y", "--out", "z")


def test_a_missing_recipe_is_named(mistake):
    told = mistake("data", "build", "--recipe", "pkg:hyrec/recipes/kuairand_pur.yaml", "--input", ".", "--out", "z")
    assert "Did you mean 'pkg:hyrec/recipes/kuairand_pure.yaml'?" in told


def test_a_missing_input_folder_is_named(mistake, tmp_path):
    (tmp_path / "logs").mkdir()
    recipe = "pkg:hyrec/recipes/kuairand_pure.yaml"
    told = mistake("data", "build", "--recipe", recipe, "--input", str(tmp_path / "log"), "--out", "z")
    assert str(tmp_path / "logs") in told


@pytest.mark.parametrize("command", ["fit", "validate", "predict", "inspect"])
def test_a_model_that_is_missing_is_told_without_the_name_of_another_command(command, mistake):
    told = mistake(command)
    assert "No config names a model" in told
    assert "pkg:hyrec/hyformer.yaml" in told
    assert "hyrec fit" not in told


@pytest.mark.parametrize("word", ["test", "configs/debug.yaml"])
def test_inspect_takes_options_and_no_command(word, mistake):
    assert f"'{word}' is not an option" in mistake("inspect", word)


def test_an_own_option_of_inspect_that_is_misspelt_gets_the_nearest(mistake):
    assert "Did you mean '--lengths'?" in mistake("inspect", "--lenghts", "3")


def test_no_option_of_fit_is_taken_for_a_misspelt_one_of_inspect():
    options = StrictParser(prog="hyrec inspect", filled_by="hyrec.cli.inspect_command")
    given = [f"--{name}=1" for name in parser_of("fit").option_names]
    _, more = options.parse_known_args([*given, "--data.candidates=1"])
    assert more == [*given, "--data.candidates=1"]
