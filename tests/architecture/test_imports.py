"""The tree keeps its shape: who may import whom, how long a file is, what a file may be called."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hyrec"
MODULES = sorted(PACKAGE.rglob("*.py"))
FAMILIES = (
    "tokenizers",
    "encoders",
    "queries",
    "decoders",
    "mixers",
    "backbones",
    "heads",
    "losses",
    "embeddings",
)
MAX_LINES = 400
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
    pytest.importorskip("importlinter", reason="import-linter is a development dependency: pip install '.[dev]'")
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


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


def test_one_function_attends() -> None:
    calls = [name_of(p) for p in MODULES if "scaled_dot_product_attention" in p.read_text(encoding="utf-8")]
    assert calls == ["hyrec/functional.py"]


@pytest.mark.parametrize("module", ["hyrec", "hyrec.cli.main", "hyrec.schema"])
def test_starting_the_program_loads_neither_torch_nor_lightning(module: str) -> None:
    program = f"import sys, {module}; print(*({{'torch', 'lightning'}} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
