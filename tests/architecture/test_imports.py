"""The tree keeps its shape: who may import whom, how long a file is, what a file may be called."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.new_processes import loaded_by

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hyrec"
MODULES = sorted(PACKAGE.rglob("*.py"))
FAMILIES = (
    "tokenizers",
    "encoders",
    "queries",
    "decoders",
    "mixers",
    "blocks",
    "backbones",
    "heads",
    "losses",
    "embeddings",
)
MAX_LINES = 350
TOO_VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_by(path: Path) -> set[str]:
    """Names of the modules that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_the_tree_is_where_the_tests_think_it_is() -> None:
    assert len(MODULES) > 40


def test_import_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is in the extra dev: pip install '.[dev]'")
    # A process of its own: it silences the loggers of the one that it runs in.
    result = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def test_the_import_contract_names_every_module() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python has it from 3.11 on")
    (contract,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {name for line in contract["layers"] for name in line.split(" | ")}
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in MODULES}
    left_out = [name for name in modules if not any(f"{name}.".startswith(f"{layer}.") for layer in layers)]
    packages = ["hyrec.__init__", "hyrec.__main__", "hyrec.plugins.__init__", "hyrec.studies.__init__"]
    assert sorted(left_out) == packages, "These begin a package and hold no layer of their own."


@pytest.mark.parametrize("family", FAMILIES)
def test_component_families_never_import_one_another(family: str) -> None:
    for path in (PACKAGE / family).rglob("*.py"):
        for module in imported_by(path):
            for other in FAMILIES:
                assert other == family or not f"{module}.".startswith(f"hyrec.{other}."), (
                    f"{name_of(path)} imports {module}"
                )


def test_files_are_short() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    too_long = {name: count for name, count in lines.items() if count > MAX_LINES}
    assert not too_long, "Split these files; aim at 150 lines."


def test_names_say_what_is_inside() -> None:
    parts = {name_of(path): path.relative_to(PACKAGE).with_suffix("").parts for path in MODULES}
    assert not [name for name, words in parts.items() if TOO_VAGUE & set(words)]


def test_the_product_imports_no_tests() -> None:
    assert not [name_of(p) for p in MODULES if any(m.split(".")[0] == "tests" for m in imported_by(p))]


@pytest.mark.parametrize("floor", ["config", "data", "studies/plan", "studies/analysis", "studies/report"])
def test_only_what_talks_to_people_prints(floor: str) -> None:
    called = [
        name_of(path)
        for path in (PACKAGE / floor).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == "print"
    ]
    assert called == []


def test_one_function_attends() -> None:
    calls = [name_of(p) for p in MODULES if "scaled_dot_product_attention" in p.read_text(encoding="utf-8")]
    assert calls == ["hyrec/functional.py"]


@pytest.mark.parametrize("module", ["hyrec", "hyrec.cli.main", "hyrec.schema"])
def test_starting_the_program_loads_neither_torch_nor_lightning(module: str) -> None:
    loaded = loaded_by(module)
    assert module in loaded
    assert not {"torch", "lightning"} & loaded
