"""The packages in plugins/, really installed: built, found, used, removed, and missed with a clear error.

One virtual environment for all tests of this file. It sees the packages of the running interpreter through a .pth
file, so nothing is downloaded, but its own hyrec is the wheel built from this checkout.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import site
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ("hyrec-din", "hyrec-unimixer", "hyrec-movielens", "hyrec-ndcg")
SMALL = [
    "--data.init_args.simulator.num_requests=400",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
]
FAST = [*SMALL, "--trainer.fast_dev_run=true"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("pip", "hatchling")),
        reason="installing packages for real needs pip and hatchling: python -m pip install hatchling",
    ),
]


@dataclass(frozen=True)
class Environment:
    """A virtual environment with hyrec's wheel.

    Args:
        folder: Where it lives.
        work: Folder that commands run in.
    """

    folder: Path
    work: Path

    @property
    def bin(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def variables(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HYREC", "PIP", "VIRTUAL_ENV"))}
        return kept | {
            "PATH": f"{self.bin}{os.pathsep}{kept['PATH']}",
            "HYREC_CACHE": str(self.work / "cache"),
            "OMP_NUM_THREADS": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            # Everything that is needed is there: an install copies files, and asks no index.
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's spelling of --no-build-isolation
        }

    def run(self, *command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd or self.work,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def check(self, *command: str | Path) -> str:
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def pip(self, *arguments: str | Path) -> str:
        return self.check(self.bin / "python", "-m", "pip", *arguments)

    def hyrec(self, *arguments: str) -> str:
        return self.check(self.bin / "hyrec", *arguments)


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    base = tmp_path_factory.mktemp("plugins")
    made = Environment(base / "venv", base / "work")
    made.work.mkdir()
    venv.create(made.folder, with_pip=False)
    scheme = {"base": str(made.folder), "platbase": str(made.folder)}
    own = Path(sysconfig.get_path("purelib", "venv", scheme) if "venv" in sysconfig.get_scheme_names() else "")
    parents = dict.fromkeys([*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (own / "parent.pth").write_text("\n".join(parents) + "\n")
    made.pip("wheel", "--wheel-dir", base / "dist", ROOT)
    (wheel,) = (base / "dist").glob("hyrec-*.whl")
    made.pip("install", "--ignore-installed", wheel)
    return made


@pytest.fixture(scope="module")
def all_plugins(env: Environment) -> Environment:
    env.pip("install", *(ROOT / "plugins" / name for name in PLUGINS))
    return env


def test_hyrec_itself_is_the_wheel(env: Environment) -> None:
    where = env.check(env.bin / "python", "-c", "import hyrec; print(hyrec.__file__)")
    assert Path(where.strip()).is_relative_to(env.folder)


def test_an_installed_plugin_trains_from_its_own_config_and_is_missed_clearly_when_removed(env: Environment) -> None:
    command = ["fit", "--config", "pkg:hyrec_din/din.yaml", *FAST]
    env.pip("install", ROOT / "plugins" / "hyrec-din")
    copied = env.work / "din.yaml"
    copied.write_text((ROOT / "plugins" / "hyrec-din" / "hyrec_din" / "din.yaml").read_text())
    assert "`Trainer.fit` stopped" in env.hyrec(*command)

    env.pip("uninstall", "--yes", "hyrec-din")
    missing_package = env.run(env.bin / "hyrec", *command)
    assert missing_package.returncode == 2
    assert "no installed package 'hyrec_din'" in missing_package.stderr
    missing_class = env.run(env.bin / "hyrec", "fit", "--config", copied, *FAST)
    assert missing_class.returncode == 2
    assert "TargetAttentionDecoder" in missing_class.stderr
    for failed in (missing_package, missing_class):
        assert len(failed.stderr.strip().splitlines()) <= 5, failed.stderr
        assert "Traceback" not in failed.stderr


def test_all_plugins_are_listed_with_what_they_bring(all_plugins: Environment) -> None:
    listed = {entry["distribution"]: entry for entry in json.loads(all_plugins.hyrec("plugins", "list", "--json"))}
    brings = {"hyrec-din": "decoder", "hyrec-unimixer": "mixer", "hyrec-movielens": "data", "hyrec-ndcg": "callback"}
    for name, slot in brings.items():
        assert slot in listed[name]["slots"]
    for name in PLUGINS:
        assert (listed[name]["state"], listed[name]["clashes"]) == ("enabled", [])


def test_a_mixer_and_a_callback_of_different_plugins_work_in_one_run(all_plugins: Environment) -> None:
    configs = ["pkg:hyrec/debug.yaml", "pkg:hyrec_unimixer/unimixer.yaml", "pkg:hyrec_ndcg/ndcg.yaml"]
    printed = all_plugins.hyrec("fit", *(f"--config={config}" for config in configs), *SMALL)
    assert "test/ndcg@5" in printed
    assert "test/ndcg@10" in printed
    (saved,) = all_plugins.work.glob("runs/*/*/config.yaml")
    assert "UniMixer" in saved.read_text()


def test_a_callback_can_be_added_on_the_command_line(all_plugins: Environment) -> None:
    added = ["--trainer.callbacks+=GroupNDCG", "--trainer.callbacks.k=20"]
    printed = all_plugins.hyrec("fit", "--config=pkg:hyrec/debug.yaml", *added, *SMALL, "--print_config")
    assert "hyrec_ndcg.GroupNDCG" in printed
    assert "k: 20" in printed


def test_the_commands_of_the_plugin_page_work(all_plugins: Environment) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "plugins" / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    script = all_plugins.work / "page.sh"
    script.write_text("set -euo pipefail\n" + "\n".join(blocks))
    printed = all_plugins.check("bash", script)
    assert "1 passed" in printed
    assert re.search(r"meanmixer.*hyrec-meanmixer", printed)
    assert "`Trainer.fit` stopped" in printed
    assert "hyrec_meanmixer/meanmixer.yaml" in printed
