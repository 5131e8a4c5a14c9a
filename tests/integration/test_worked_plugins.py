"""The packages in plugins/, really installed: built, found, used, removed, and missed with a clear error."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from virtual_environment import NEEDS_PIP, ROOT, Environment
from warm_processes import WarmProcesses

PLUGINS = ("hyrec-din", "hyrec-unimixer", "hyrec-movielens", "hyrec-ndcg")
SMALL = [
    "--data.init_args.simulator.num_requests=400",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
]
Command = Callable[..., subprocess.CompletedProcess[str]]
FAST = [*SMALL, "--trainer.fast_dev_run=true"]

pytestmark = [pytest.mark.slow, NEEDS_PIP]


@pytest.fixture(scope="module")
def all_plugins(env: Environment) -> Environment:
    env.install(*(ROOT / "plugins" / name for name in PLUGINS))
    return env


def test_hyrec_itself_is_the_wheel(env: Environment) -> None:
    where = env.check(env.bin / "python", "-c", "import hyrec; print(hyrec.__file__)")
    assert Path(where.strip()).is_relative_to(env.folder)


@pytest.fixture(scope="module")
def hyrec(env: Environment, env_forks: WarmProcesses) -> Command:
    return functools.partial(env_forks.hyrec, cwd=env.work, environment=env.variables)


def test_an_installed_plugin_trains_from_its_own_config_and_is_missed_clearly_when_removed(
    env: Environment, hyrec: Command
) -> None:
    command = ["fit", "--config", "pkg:hyrec_din/din.yaml", *FAST]
    env.install(ROOT / "plugins" / "hyrec-din")
    copied = env.work / "din.yaml"
    copied.write_text((ROOT / "plugins" / "hyrec-din" / "hyrec_din" / "din.yaml").read_text())
    trained = hyrec(*command)
    assert trained.returncode == 0, trained.stderr
    assert "`Trainer.fit` stopped" in trained.stderr

    env.pip("uninstall", "--yes", "hyrec-din")
    missing_package = hyrec(*command)
    assert missing_package.returncode == 2
    assert "no installed package 'hyrec_din'" in missing_package.stderr
    missing_class = hyrec("fit", "--config", str(copied), *FAST)
    assert missing_class.returncode == 2
    assert "TargetAttentionDecoder" in missing_class.stderr
    for failed in (missing_package, missing_class):
        assert len(failed.stderr.strip().splitlines()) <= 5, failed.stderr
        assert "Traceback" not in failed.stderr


def test_all_plugins_are_listed_with_what_they_bring(all_plugins: Environment) -> None:
    listed = {entry["distribution"]: entry for entry in json.loads(all_plugins.hyrec("plugins", "list", "--json"))}
    brings = {"hyrec-din": "decoder", "hyrec-unimixer": "mixer", "hyrec-movielens": "data", "hyrec-ndcg": "metric"}
    for name, slot in brings.items():
        assert slot in listed[name]["slots"]
    for name in PLUGINS:
        assert (listed[name]["state"], listed[name]["clashes"]) == ("enabled", [])


def test_a_mixer_and_a_metric_of_different_plugins_work_in_one_run(all_plugins: Environment, hyrec: Command) -> None:
    configs = ["pkg:hyrec/debug.yaml", "pkg:hyrec_unimixer/unimixer.yaml", "pkg:hyrec_ndcg/ndcg.yaml"]
    done = hyrec("fit", "--name=together", *(f"--config={config}" for config in configs), *SMALL)
    assert done.returncode == 0, done.stderr
    assert "ndcg@5" in done.stdout
    assert "ndcg@10" in done.stdout
    (saved,) = all_plugins.work.glob("runs/together/*/config.yaml")
    assert "UniMixer" in saved.read_text()


@pytest.mark.usefixtures("all_plugins")
def test_a_metric_can_be_added_on_the_command_line(hyrec: Command) -> None:
    added = ["--model.metrics+=NDCG", "--model.metrics.k=20"]
    done = hyrec("fit", "--config=pkg:hyrec/debug.yaml", *added, *SMALL, "--print_config")
    assert done.returncode == 0, done.stderr
    assert "hyrec_ndcg.NDCG" in done.stdout
    assert "k: 20" in done.stdout


def test_the_commands_of_the_plugin_page_work(all_plugins: Environment) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "docs" / "plugins.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    script = all_plugins.work / "page.sh"
    script.write_text("set -euo pipefail\n" + "\n".join(blocks))
    printed = all_plugins.check("bash", script)
    assert "2 passed" in printed
    assert re.search(r"gated +hyrec-gated 0.1.0 +enabled +mixer +example", printed)
    assert re.search(r"1 class, \d+ rules: \d+ passed, 0 failed, 0 skipped", printed)
    assert "`Trainer.fit` stopped" in printed
    assert "hyrec_gated/gated.yaml" in printed
