import json
from pathlib import Path

import pytest

from hyrec.cli.main import main


def test_the_list_shows_state_error_and_clash(install, capsys):
    install("hyrec-swap", "swap_plugin", "swap_mixer.py", entry="swap")
    install("hyrec-bad", "bad_plugin", "import a_package_that_is_missing")
    assert main(["plugins", "list"]) == 0
    out = capsys.readouterr().out
    assert "hyrec-swap 1.2" in out
    assert "bad_plugin: it imports 'a_package_that_is_missing'" in out
    assert main(["plugins", "list", "--slot", "mixer", "--json"]) == 0
    assert [p["name"] for p in json.loads(capsys.readouterr().out)] == ["swap"]
    assert main(["plugins", "list", "--tag", "nothing"]) == 0
    assert "No plugins of that kind" in capsys.readouterr().out


def test_components_of_plugins_are_listed_beside_hyrecs(install, capsys):
    install("hyrec-swap", "swap_plugin", "swap_mixer.py", entry="swap")
    assert main(["plugins", "list", "--components", "--slot", "mixer"]) == 0
    out = capsys.readouterr().out
    assert "Swap" in out
    assert "hyrec-swap" in out
    assert "RankMixer" in out


@pytest.mark.parametrize("command", [["list"], ["list", "--components"], ["new", "hyrec-gated"]], ids=" ".join)
def test_an_unknown_slot_gets_the_nearest(command, mistake):
    assert "Did you mean 'mixer'?" in mistake("plugins", *command, "--slot", "mixr")


def test_components_are_listed_as_json(capsys):
    assert main(["plugins", "list", "--components", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert listed["RankMixer"]["slot"] == "mixer"
    assert listed["RankMixer"]["distribution"] == "hyrec"
    assert listed["RankMixer"]["summary"].startswith("Mix tokens without attention")


def test_an_unknown_action_gets_the_nearest(mistake):
    assert "Did you mean 'show'?" in mistake("plugins", "shwo")


def test_a_component_of_local_code_is_shown(local_code, capsys):
    assert main(["plugins", "show", "ScaledMixer", "--plugin", local_code("scaled_mixer.py", "shown_locally.py")]) == 0
    assert "Scale the tokens by learned factors." in capsys.readouterr().out


def test_a_component_that_obeys_is_reported_rule_by_rule(local_code, capsys):
    path = local_code("scaled_mixer.py", "obeys_locally.py")
    assert main(["plugins", "check", "ScaledMixer", "--plugin", path, "--option", "start=2"]) == 0
    out = capsys.readouterr().out
    assert "ScaledMixer (mixer, from obeys_locally)" in out
    assert "ok       every_gradient" in out
    assert out.splitlines()[-1].endswith(" 0 failed, 0 skipped.")


def test_a_broken_rule_is_reported_with_expected_and_observed(local_code, capsys):
    assert main(["plugins", "check", "LeakyMixer", "--plugin", local_code("scaled_mixer.py", "breaks_locally.py")]) == 1
    lines = capsys.readouterr().out.splitlines()
    (number,) = [i for i, line in enumerate(lines) if line.split()[:1] == ["FAILED"]]
    assert lines[number].split(maxsplit=3)[1:3] == ["sample_independence", "expected"]
    assert "samples are independent" in lines[number]
    assert lines[number + 1].split()[0] == "observed"
    assert "1 failed" in lines[-1]


def test_a_rule_that_was_skipped_says_why(capsys):
    assert main(["plugins", "check", "ParquetData"]) == 0
    assert "it needs data (schema=..., or --config on the command line)" in capsys.readouterr().out


def test_a_distribution_is_reported_class_by_class(install, capsys):
    install("hyrec-pair", "pair_plugin", "scaled_mixer.py")
    assert main(["plugins", "check", "hyrec-pair", "--option", "ScaledMixer.start=2"]) == 1
    out = capsys.readouterr().out
    assert "ScaledMixer (mixer, from hyrec-pair 1.2)" in out
    assert "LeakyMixer (mixer, from hyrec-pair 1.2)" in out
    assert out.splitlines()[-1].startswith("2 classes")


def test_results_are_written_as_json(capsys):
    assert main(["plugins", "check", "QueryAUC", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["class"], found["slot"]) == ("hyrec.metrics.auc.QueryAUC", "metric")
    assert {result["status"] for result in found["results"]} == {"passed"}
    assert set(found["results"][0]) == {"rule", "status", "expected", "observed"}


def test_what_was_not_checked_is_said(capsys):
    assert main(["plugins", "check", "RankingProgress"]) == 0
    assert "not checked: what it does during a run" in capsys.readouterr().out


def test_nothing_is_overwritten(mistake, tmp_path, capsys):
    (tmp_path / "hyrec-gated").mkdir()
    told = mistake("plugins", "new", "hyrec-gated", "--slot", "mixer", "--dir", str(tmp_path))
    assert "exists already, and nothing is overwritten" in told
    assert list((tmp_path / "hyrec-gated").iterdir()) == []


def test_without_a_slot_all_are_named(mistake):
    assert "Slots: tokenizer, encoder, queries" in mistake("plugins", "new", "hyrec-gated")


def test_a_folder_that_is_not_there_is_named(mistake, tmp_path):
    told = mistake("plugins", "new", "hyrec-gated", "--slot", "mixer", "--dir", str(tmp_path / "absent"))
    assert "is no folder" in told


def test_the_next_commands_are_printed(capsys, tmp_path):
    assert main(["plugins", "new", "hyrec-gated", "--slot", "mixer", "--dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"cd {tmp_path / 'hyrec-gated'}" in printed
    assert "hyrec fit --config pkg:hyrec/debug.yaml --config pkg:hyrec_gated/gated.yaml" in printed
    written = {line.strip() for line in printed.split("\n\n")[0].splitlines()[1:]}
    found = {str(p.relative_to(tmp_path / "hyrec-gated")) for p in Path(tmp_path).rglob("*") if p.is_file()}
    assert written == found
