"""Rules about computing: precision, devices, determinism, gradients and export."""

from __future__ import annotations

from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.export import Dim, ShapesCollection, export
from torch.utils._python_dispatch import TorchDispatchMode

from hyrec.testing.cases import LENGTHS, Case, defined
from hyrec.testing.rules import Subject, broken, demand_equal, demand_finite, gradients, rule, run, skip

_WIDE_SLOTS = ("head", "loss")
"""Slots whose outputs are float32 or wider, whatever autocast says."""


@rule("evaluation is deterministic: random numbers and repetition change neither outputs nor state")
def deterministic(subject: Subject) -> None:
    """Call twice with other random numbers; compare outputs, buffers and parameters bit by bit."""
    component, case = subject.component(), subject.case()
    before = {name: t.clone() for name, t in component.state_dict().items()}
    first = defined(run(component, case, seed=0))
    demand_equal(defined(run(component, case, seed=1)), first, "called again", exact=True)
    demand_equal(component.state_dict(), before, "the state after two calls in evaluation", exact=True)


@rule("forward changes none of its inputs in place")
def inputs_unchanged(subject: Subject) -> None:
    """Compare the inputs before and after a call."""
    component, case = subject.component(), subject.case()
    given = case.fresh()
    component(*given.args)
    before = {f"input {i}": leaf for i, leaf in enumerate(case.leaves())}
    after = {f"input {i}": leaf for i, leaf in enumerate(given.leaves())}
    demand_equal(after, before, "after a call", exact=True)


@rule("float32 inputs give float32 outputs, and float64 gives float64")
def dtype(subject: Subject) -> None:
    """Run in both precisions and read the outputs' precision."""
    for precision in (torch.float32, torch.float64):
        out = defined(run(subject.component(precision), subject.case(dtype=precision)))
        _demand_dtype(out, precision, f"for {precision} inputs")


@rule("forward works on any device: nothing is created on the CPU and mixed with the inputs")
def device(subject: Subject) -> None:
    """Run on the meta device, which computes shapes only, and look for operations that mix devices."""
    component, case = subject.component().to("meta"), subject.case().each(lambda t: t.to("meta"))
    watch = _OneDevice()
    try:
        with (
            watch,
            mock.patch.object(torch, "autocast", _AnyAutocast),
            mock.patch.object(torch.amp, "autocast", _AnyAutocast),
        ):
            out = component(*case.args)
    except (RuntimeError, NotImplementedError) as error:
        if not watch.mixed:
            skip(f"forward reads values, which the meta device does not have: {str(error).splitlines()[0]}")
        out = None
    if watch.mixed:
        broken(f"{watch.mixed} mixes tensors of the inputs' device with tensors on the CPU")
    strange = [name for name, t in _tensors(out, "output") if t.device.type != "meta"]
    if strange:
        broken(f"{', '.join(strange)} is not on the inputs' device")


@rule("every parameter receives a gradient on a generic batch in training")
def every_gradient(subject: Subject) -> None:
    """Differentiate two generic batches in training; no parameter may be left out of both."""
    component, reached = subject.component().train(), set()
    for seed in (1, 2):
        by_name, _ = gradients(component, subject.case(seed=seed))
        reached |= {name for name, g in by_name.items() if g is not None and bool((g != 0).any())}
    missed = [n for n, p in component.named_parameters() if p.requires_grad and n not in reached]
    if missed:
        broken(f"no gradient reaches {', '.join(missed)}")


@rule("bf16 autocast stays close to float32; logits and losses stay float32")
def bf16_autocast(subject: Subject) -> None:
    """Run float32 and bfloat16 inputs under autocast, and compare with float32."""
    component, tolerance = subject.component(torch.float32), subject.setting.bf16_tolerance
    for precision in (torch.float32, torch.bfloat16):
        case, what = subject.case(dtype=torch.float32).fresh(precision), f"autocast on {precision} inputs"
        want = defined(run(component, case.fresh(torch.float32)))
        with torch.autocast("cpu", torch.bfloat16):
            got = defined(run(component, case))
            by_name, _ = gradients(component, case)
        demand_equal(got, want, what, tolerance=tolerance)
        demand_finite({f"the gradient of {n}": g for n, g in by_name.items()}, what)
        if subject.slot in _WIDE_SLOTS:
            _demand_dtype(got, torch.float32, what)


@rule("torch.export succeeds with B, R and the number of events left open, and the program computes the same")
def exports(subject: Subject) -> None:
    """Export on one batch and compare the program with the component on it and on another batch.

    ``max_length`` is a number of the program, as every Python integer.
    """
    component, case = subject.component(torch.float32), subject.case(dtype=torch.float32)
    shapes: Any = _open_shapes(case)
    program = export(component, case.args, dynamic_shapes=shapes, strict=False).module()
    other = subject.case(lengths=(2, *LENGTHS, 3), dtype=torch.float32, seed=2)
    for what, given in (("on its example", case), ("on another batch", other)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            got = program(*given.fresh().args)
        demand_equal(defined(got), defined(run(component, given)), f"the exported program {what}")


class _OneDevice(TorchDispatchMode):
    """Notes the first operation whose tensors are partly on the CPU; a single number may be anywhere."""

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.mixed = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [t for _, t in _tensors((args, kwargs or {}), "")]
        devices = {t.device.type for t in tensors if t.dim() or t.device.type == "meta"}
        if len(devices) > 1 and "copy" not in func.__name__ and not self.mixed:
            self.mixed = str(func)
        return func(*args, **(kwargs or {}))


class _AnyAutocast(torch.autocast):
    """``torch.autocast`` for which the meta device, which it does not know, is a CPU."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if device_type == "meta" else device_type, *args, **kwargs)


def _tensors(value: Any, path: str) -> list[tuple[str, Tensor]]:
    leaves = torch.utils._pytree.tree_leaves(value)
    return [(f"{path} {i}".strip(), leaf) for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]


def _open_shapes(case: Case) -> ShapesCollection:
    """Leave B = R and the events of every sequence open."""
    shapes, requests = ShapesCollection(), Dim("requests", min=2, max=4096)
    of_samples = {id(leaf): leaf for leaf in case.leaves()}
    for number, sequence in enumerate(case.sequences()):
        events = Dim(f"events{number}", min=2, max=65536)
        shapes[sequence.values], shapes[sequence.offsets] = {0: events}, {0: requests + 1}
        if sequence.time is not None:
            shapes[sequence.time] = {0: events}
        for part in vars(sequence).values():
            of_samples.pop(id(part), None)
    for leaf in of_samples.values():
        shapes[leaf] = {0: requests}
    return shapes


def _demand_dtype(out: dict[str, Tensor], want: torch.dtype, what: str) -> None:
    for name, tensor in out.items():
        if tensor.is_floating_point() and not name.endswith("time") and tensor.dtype != want:
            broken(f"{what}: {name} is {tensor.dtype} instead of {want}")
