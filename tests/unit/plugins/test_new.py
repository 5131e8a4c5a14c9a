import ast

import pytest
import yaml

from hyrec.messages import CommandError
from hyrec.plugins.new import next_commands, render
from hyrec.plugins.slot_table import SLOT_TABLE

BODY_LINES = 25
"""Lines that the example class of a package may have between its docstring and its end."""


@pytest.mark.parametrize("slot", SLOT_TABLE)
def test_no_placeholder_is_left_and_all_files_parse(slot):
    files = render("hyrec-tiny", slot)
    for path, text in files.items():
        assert not {"$", "PACKAGE", "ENTRY"} & set(text.replace("$HYREC_CACHE", "")), path
        assert not any(placeholder in path for placeholder in ("PACKAGE", "ENTRY", ".tmpl"))
        if path.endswith(".py"):
            ast.parse(text)
    assert 'tiny = "hyrec_tiny"' in files["pyproject.toml"]
    assert {"README.md", f"hyrec_tiny/{slot}.py", "hyrec_tiny/__init__.py", "tests/test_tiny.py"} < set(files)
    assert all(command in files["README.md"] for command in next_commands("hyrec-tiny"))


@pytest.mark.parametrize("slot", SLOT_TABLE)
def test_the_config_puts_the_class_into_its_slot(slot):
    named = yaml.safe_load(render("hyrec-tiny", slot)["hyrec_tiny/tiny.yaml"])
    for key in SLOT_TABLE[slot].keys:
        named = named[key]
    assert (named[0] if isinstance(named, list) else named) == {"class_path": f"Tiny{SLOT_TABLE[slot].suffix}"}


@pytest.mark.parametrize("slot", SLOT_TABLE)
def test_a_component_is_short_and_its_test_makes_one_claim_beside_the_contract(slot):
    files = render("hyrec-tiny", slot)
    (component,) = [n for n in ast.parse(files[f"hyrec_tiny/{slot}.py"]).body if isinstance(n, ast.ClassDef)]
    docstring, *body = component.body
    assert body[-1].end_lineno - docstring.end_lineno <= BODY_LINES
    tests = [node for node in ast.parse(files["tests/test_tiny.py"]).body if isinstance(node, ast.FunctionDef)]
    assert len(tests) == 2


@pytest.mark.parametrize(
    ("name", "slot", "class_name"),
    [
        ("hyrec-gated", "mixer", "GatedMixer"),
        ("hyrec-gatedmixer", "mixer", "GatedMixer"),
        ("hyrec-gated-mixer", "mixer", "GatedMixer"),
        ("gated_pooling", "decoder", "GatedPoolingDecoder"),
        ("hyrec-field-tokenizer", "tokenizer", "FieldTokens"),
        ("focal2", "loss", "Focal2Loss"),
        ("hyrec-recall", "metric", "RecallMetric"),
    ],
)
def test_the_class_is_named_after_the_package_and_the_slot(name, slot, class_name):
    files = render(name, slot)
    (module,) = [text for path, text in files.items() if path.endswith(f"/{slot}.py")]
    assert f"class {class_name}(" in module


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("My Plugin", "Did you mean 'my-plugin'?"),
        ("2fast", "Did you mean 'fast'?"),
        ("hyrec--x", "Did you mean 'hyrec-x'?"),
        ("json", "Did you mean 'hyrec-json'?"),
        ("class", "a name of Python itself"),
        ("torch", "installed package 'torch' already"),
        ("hyrec", "does not say which token mixer it brings"),
        ("hyrec-mixer", "does not say which token mixer it brings, as hyrec-gated does"),
        ("hyrec-identity", "hyrec has a 'IdentityMixer' already"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name, told):
    with pytest.raises(CommandError) as error:
        render(name, "mixer")
    assert told in str(error.value)
