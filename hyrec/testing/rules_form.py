"""Rules about form: how a component is written, built, published, saved and initialised."""

from __future__ import annotations

import inspect
import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hyrec.batch import Sequence, SequenceStates, Tokens
from hyrec.definition import constructor_fault, read_docstring
from hyrec.slots import SLOTS
from hyrec.testing.cases import REQUEST_SLOTS, defined
from hyrec.testing.class_contract import check_documented
from hyrec.testing.rules import Subject, broken, demand_equal, rule, run


@rule("the class docstring has one summary sentence, an entry under 'Args:' for every option, and 'Shape:'", needs=())
def docstring(subject: Subject) -> None:
    """Check what ``--help`` and ``plugins show`` print."""
    check_documented(subject)
    if not read_docstring(subject.cls).sections.get("Shape"):
        broken("there is no 'Shape:' section")


@rule("the constructor is (ctx, *, option: type, ...) and forward takes the slot's arguments by their names", needs=())
def signature(subject: Subject) -> None:
    """Check constructor and ``forward`` against the slot's base class."""
    if fault := constructor_fault(subject.cls, subject.given, keyword_only=True):
        broken(fault)
    want = list(inspect.signature(SLOTS[subject.slot].forward).parameters.values())
    got = list(inspect.signature(subject.cls.forward).parameters.values())
    if [(p.name, p.kind, p.default) for p in got] != [(p.name, p.kind, p.default) for p in want]:
        names = [", ".join(str(p).split(":")[0] for p in side[1:]) for side in (got, want)]
        broken(f"forward takes ({names[0]}) instead of ({names[1]})")


@rule("it can be built and called, in training and evaluation, with R = B and R < B", needs=())
def runs(subject: Subject) -> None:
    """Build and call the component; what it raises is the result."""
    component = subject.component()
    run(component, subject.case())
    run(component.train(), subject.case())
    if subject.slot in REQUEST_SLOTS:
        run(component.eval(), subject.case(grouped=True))
    if subject.slot == "loss":
        logits, labels, *_ = subject.case().args
        component(logits, labels)


@rule("outputs have the slot's types and shapes, and published attributes say what they are")
def shapes(subject: Subject) -> None:
    """Compare outputs with the slot's contract and with what the component publishes."""
    component: Any = subject.component()
    ctx, d = subject.context, subject.setting.d_model
    for grouped in (False, True):
        case = subject.case(grouped=grouped)
        out, b = run(component, case), case.num_samples
        if subject.slot == "tokenizer":
            _demand_shapes({"tokens": out}, {"tokens": (b, component.num_tokens, d)}, "num_tokens")
            _demand_token_features(component, set(ctx.feature_widths))
        elif subject.slot == "encoder":
            if not isinstance(out, SequenceStates):
                broken(f"forward returned a {type(out).__name__} instead of SequenceStates")
            _demand_sequence(out.sequence, "sequence", "d_sequence", component.d_sequence, case.num_requests)
            _demand_sequence(out.memory, "memory", "d_memory", component.d_memory, case.num_requests)
        elif subject.slot == "queries":
            counts = component.num_queries
            if list(counts) != ctx.sequence_names:
                broken(f"num_queries names {list(counts)} instead of the schema's {ctx.sequence_names}")
            _demand_shapes(out, {name: (b, count, d) for name, count in counts.items()}, "num_queries")
        elif subject.slot in ("decoder", "mixer"):
            _demand_shapes({"output": out}, {"output": tuple(case.args[0].shape)})
        elif subject.slot == "block":
            if not isinstance(out, tuple) or len(out) != 2:
                broken("forward did not return the pair (tokens, events)")
            _demand_shapes({"tokens": out[0]}, {"tokens": tuple(case.args[0].shape)})
            _demand_sequence(component(*case.fresh().args)[1], "events", "the contract", d, case.num_requests)
        elif subject.slot == "backbone":
            if not isinstance(out, Tokens):
                broken(f"forward returned a {type(out).__name__} instead of Tokens")
            _demand_shapes(out.queries, {name: tuple(q.shape) for name, q in case.args[0].items()})
            _demand_shapes({"ns": out.ns}, {"ns": tuple(case.args[1].shape)})
        elif subject.slot == "head":
            _demand_shapes(out, dict.fromkeys(ctx.schema.tasks, (b,)))
        elif subject.slot == "loss":
            if not isinstance(out, tuple) or len(out) != 2:
                broken("forward did not return the pair (total, parts)")
            _demand_shapes({"total": out[0], **out[1]}, {"total": (), **dict.fromkeys(out[1], ())})


@rule("a saved state loads strictly (weights_only=True) into a new instance, which then computes the same")
def state_dict(subject: Subject) -> None:
    """Save, load into a component built from another seed, and compare outputs bit by bit."""
    component, other, case = subject.component(), subject.new(seed=1), subject.case()
    file = io.BytesIO()
    torch.save(component.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True), strict=True)
    got, want = defined(run(other, case)), defined(run(component, case))
    demand_equal(got, want, "after loading the state into a new instance", exact=True)


@rule("reset_parameters sets every parameter that its module holds directly, and construction leaves none unset")
def reset_parameters(subject: Subject) -> None:
    """Fill direct parameters with NaN, reset, and look for what is left; look at a new component too."""
    dirty = _build_on_dirty_memory(subject)
    if unset := [name for name, p in dirty.named_parameters() if not bool(p.isfinite().all())]:
        broken(f"construction leaves {', '.join(unset)} unset: call reset_parameters last in __init__")
    for path, module in subject.new().named_modules():
        direct = dict(module.named_parameters(recurse=False))
        name = f"{type(module).__name__}{f' ({path})' if path else ''}"
        reset = getattr(module, "reset_parameters", None)
        if not direct or (reset is None and type(module).__module__.startswith("torch.")):
            continue
        if reset is None:
            broken(f"{name} holds {', '.join(direct)} but has no reset_parameters")
        with torch.no_grad():
            for parameter in direct.values():
                parameter.fill_(float("nan"))
        with torch.random.fork_rng(devices=[]):
            reset()
        if left := [n for n, p in direct.items() if not bool(p.isfinite().all())]:
            broken(f"reset_parameters of {name} does not set {', '.join(left)}")


def _demand_shapes(out: Any, want: Mapping[str, tuple[int, ...]], published: str = "") -> None:
    if not isinstance(out, dict) or list(out) != list(want):
        got = list(out) if isinstance(out, dict) else f"a {type(out).__name__}"
        broken(f"forward returned {got} instead of entries for {list(want)}, in this order")
    for name, shape in want.items():
        if not isinstance(out[name], Tensor):
            broken(f"{name} is a {type(out[name]).__name__} instead of a tensor")
        if tuple(out[name].shape) != shape:
            by = f", which follows from {published}" if published else ""
            broken(f"{name} has shape {tuple(out[name].shape)} instead of {shape}{by}")


def _demand_sequence(sequence: Any, name: str, published: str, width: int, num_requests: int) -> None:
    if not isinstance(sequence, Sequence):
        broken(f"{name} is a {type(sequence).__name__} instead of a Sequence")
    rows, got = sequence.values.shape
    if got != width:
        broken(f"{name} has width {got}, but {published} says {width}")
    if sequence.num_requests != num_requests:
        broken(f"{name} has {sequence.num_requests} requests instead of {num_requests}")
    lengths = sequence.lengths
    if int(sequence.offsets[0]) != 0 or bool((lengths < 0).any()):
        broken(f"{name} has offsets {sequence.offsets.tolist()}, which do not ascend from 0")
    if rows < max(1, int(sequence.offsets[-1])):
        broken(f"{name} has {rows} rows for {int(sequence.offsets[-1])} events: one an event, and one at least")
    if sequence.max_length < max(1, int(lengths.max())):
        broken(f"{name} has max_length {sequence.max_length}, but a request of {int(lengths.max())} events")
    if sequence.time is not None and len(sequence.time) != rows:
        broken(f"{name} has {len(sequence.time)} times for {rows} rows")


def _demand_token_features(component: Any, known: set[str]) -> None:
    if len(component.token_features) != component.num_tokens:
        broken(f"token_features describes {len(component.token_features)} of {component.num_tokens} tokens")
    if strange := {name for names in component.token_features for name in names} - known:
        broken(f"token_features names {', '.join(sorted(strange))}, which the schema does not have")


def _build_on_dirty_memory(subject: Subject) -> nn.Module:
    """Build a component while memory that nobody wrote reads as NaN."""
    before = torch.get_deterministic_debug_mode()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.set_deterministic_debug_mode("warn")
    memory.fill_uninitialized_memory = True
    try:
        return subject.new()
    finally:
        torch.set_deterministic_debug_mode(before)
        memory.fill_uninitialized_memory = filled
