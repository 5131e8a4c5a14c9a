"""A virtual environment in which packages are really installed, without downloading any."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import site
import subprocess
import sysconfig
import tempfile
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from several_commands import END, START

ROOT = Path(__file__).parents[2]
NEEDS_PIP = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("pip", "hatchling")),
    reason="installing packages for real needs pip and hatchling: python -m pip install hatchling",
)


@dataclass(frozen=True)
class Environment:
    """A virtual environment with hyrec's wheel, which sees the packages of the running interpreter.

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

    def check(self, *command: str | Path, cwd: Path | None = None) -> str:
        done = self.run(*command, cwd=cwd)
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def pip(self, *arguments: str | Path) -> str:
        return self.check(self.bin / "python", "-m", "pip", *arguments)

    def install(self, *folders: Path) -> None:
        """Install packages from source; the wheels are built without pip, which starts three processes for each."""
        build = [self.bin / "python", "-m", "hatchling", "build", "--target", "wheel", "--directory"]
        with tempfile.TemporaryDirectory() as wheels:
            for folder in folders:
                self.check(*build, wheels, cwd=folder)
            self.pip("install", "--ignore-installed", *Path(wheels).iterdir())

    def hyrec(self, *arguments: str) -> str:
        return self.check(self.bin / "hyrec", *arguments)

    def hyrec_each(self, commands: Mapping[str, list[str]]) -> dict[str, str]:
        """Run several commands in one process, and return what each of them printed; all must succeed."""
        program = Path(__file__).with_name("several_commands.py")
        printed = self.check(self.bin / "python", program, json.dumps(commands))
        found = re.findall(rf"^{START}(.*?)\n(.*?)^{END}(.*?)\n", printed, re.MULTILINE | re.DOTALL)
        assert {name: code for name, _, code in found} == dict.fromkeys(commands, "0"), printed
        return {name: text for name, text, _ in found}


def make_environment(base: Path) -> Environment:
    """Build hyrec's wheel and install it into a new environment.

    A .pth file makes the packages of the running interpreter visible; its own hyrec comes first.

    Args:
        base: Folder for environment, wheel and work.
    """
    made = Environment(base / "venv", base / "work")
    made.work.mkdir()
    venv.create(made.folder, with_pip=False)
    own = Path(made.check(made.bin / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    parents = dict.fromkeys([*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (own / "parent.pth").write_text("\n".join(parents) + "\n")
    made.install(ROOT)
    return made
