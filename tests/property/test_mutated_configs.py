"""Configs that nobody would write: refused in five lines or used, and nothing of them is executed.

``make fuzz`` tries 2,000 of them (``HYREC_MUTATIONS``), the suite 240.
"""

import copy
import os
import random
import signal

import pytest
import yaml

from hyrec.cli.main import main
from hyrec.config.shipped import load_mapping
from tests.property import traps

COUNT = int(os.environ.get("HYREC_MUTATIONS", "240"))
SECONDS = 60
"""After which a command counts as hanging."""
TRAP = "tests.property.traps"
BASES = ["pkg:hyrec/debug.yaml", "pkg:hyrec/longer.yaml", "pkg:hyrec/rankmixer.yaml", "pkg:hyrec/hyformer.yaml"]
VALUES = [
    None, "", " ", 0, -1, 1, 2**63, -(2**70), 1e308, float("nan"), float("inf"), True, False, "x" * 300, "\0", "é☃",
    "~",
    [], {}, [[]], [None], {"": 1}, {1: 2}, {None: None}, {"a": {"b": {"c": {}}}}, {"class_path": ""}, {"class_path": 3},
    {"class_path": None, "init_args": 1}, {"init_args": {"x": 1}}, {"class_path": "RankMixer", "init_args": [1]},
    {"class_path": "torch.nn.Linear", "init_args": {"in_features": 1, "out_features": 10**15}},
    {"class_path": f"{TRAP}.spring", "init_args": {"reason": "called"}}, {"class_path": f"{TRAP}.Spring"},
    {"class_path": "os.system", "init_args": {"command": f"echo > {traps.SPRUNG}"}}, f"{TRAP}.spring", f"{TRAP}.Spring",
    {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", str(traps.SPRUNG)]}},
    {"class_path": "builtins.eval", "init_args": {"source": "1"}}, "pkg:../../etc/passwd", "!!python/object:os.system",
    "2023-02-30", "1e", "[", "{", "a: b: c", "*anchor", "&x", 10**400,
]  # fmt: skip

PIECES = ["\t", "\0", ":", "- ", "&a ", "*a", "!!python/name:os.system ", "\x85", "{", "%"]
RAW = [
    "2023-02-30",
    "!!int x",
    "!!float 1,5",
    "!!timestamp '12'",
    "9" * 400,
    "9" * 5000,
    "!!binary '%'",
    "!!set {a, b}",
]


def places(node, path=()):
    """Return the path of every key and list item."""
    found = [path] if path else []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


def parent(tree, path):
    for key in path[:-1]:
        tree = tree[key]
    return tree


def misspelled(name, rng):
    letters = list(str(name))
    at = rng.randrange(len(letters) + 1)
    return "".join([*letters[:at], rng.choice("aex_.9 "), *letters[at + rng.randrange(2) :]])


def change(tree, rng):
    """Change one place of a tree."""
    path = rng.choice(places(tree))
    node, key = parent(tree, path), path[-1]
    kind = rng.choice(["value", "value", "value", "drop", "rename", "add", "move"])
    if kind == "value":
        node[key] = copy.deepcopy(rng.choice(VALUES))
    elif kind == "drop":
        del node[key]
    elif kind == "rename" and isinstance(node, dict):
        node[misspelled(key, rng)] = node.pop(key)
    elif kind == "add" and isinstance(node, dict):
        added = rng.choice(["plugins", "schema", "x", "class_path", "init_args", "dict_kwargs", "", 7, None])
        node[added] = copy.deepcopy(rng.choice(VALUES))
    else:
        node[key] = copy.deepcopy(parent(tree, rng.choice(places(tree))))


def text_of(tree, rng):
    """Write a tree, with one fault in the text of every third."""
    text = yaml.safe_dump(tree, sort_keys=False)
    fault = rng.randrange(12)
    at = rng.randrange(len(text))
    if fault == 0:
        return text[:at]
    if fault == 1:
        return text[:at] + rng.choice(PIECES) + text[at:]
    if fault == 2:  # a key twice
        line = rng.choice([line for line in text.splitlines() if line and not line.startswith((" ", "-"))])
        return text + line.partition(":")[0] + ": 3\n"
    if fault == 3:
        levels = rng.choice([50, 3000])
        return text + "x: " + "[" * levels + "]" * levels + "\n"
    if fault == 4:  # an alias bomb
        bomb = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, rng.choice([4, 30]))]
        return text + "\n".join(bomb) + "\n"
    if fault == 5:  # a value whose form promises what it is not
        line = rng.choice([line for line in text.splitlines() if ": " in line] or [": "])
        return text.replace(line, f"{line.partition(': ')[0]}: {rng.choice(RAW)}", 1)
    return text


def mutated(seed):
    """Return the text of one config."""
    rng = random.Random(seed)
    tree = copy.deepcopy(load_mapping(rng.choice(BASES)))
    for _ in range(rng.choice([1, 1, 2, 3])):
        if places(tree):
            change(tree, rng)
    return text_of(tree, rng) if tree else "{}"


def hangs(*_):
    raise TimeoutError(f"no answer in {SECONDS} s")


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_config_is_used_or_refused_in_five_lines(tmp_path, monkeypatch, capfd, seed):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "config.yaml").write_text(mutated(seed), encoding="utf-8", errors="surrogatepass")
    signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    try:
        code = main(["inspect", "--config", "config.yaml"])
    finally:
        signal.alarm(0)
    told = capfd.readouterr().err
    assert code in (0, 2), told
    if code == 2:
        lines = told[told.rindex("hyrec: ") :].strip().splitlines()
        assert 0 < len(lines) <= 5, told
        assert "Traceback" not in told
    assert not traps.SPRUNG.exists(), "a function of the config was called"
