"""What a model is made of and what it costs: parameters, FLOPs and memory, counted without computing anything.

Tensors of a fake tensor mode have shapes and no memory. A model may be built in one (:func:`without_memory`), and a
real one is counted on stand-ins for its parameters.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

from hyrec.batch import Batch
from hyrec.context import MERGED
from hyrec.embeddings import SequenceMerging
from hyrec.ranker import Ranker
from hyrec.sample_batch import random_batch
from hyrec.slots import Backbone, Component, components_of

_STATES = {"AdamW": 2, "Adam": 2, "NAdam": 2, "RAdam": 2, "Adagrad": 1, "RMSprop": 1, "SGD": 0}
"""Numbers of optimizer state a parameter, by optimizer; others are taken for two."""
_ALL = "Global"
"""What the FLOP counter calls the whole model."""
_FLOAT = 4
_REQUESTS = 4


@dataclass(frozen=True)
class ModelCosts:
    """What one model costs.

    Args:
        dense_parameters: Their number, those of the loss included and embedding tables left out.
        sparse_parameters: Numbers in the embedding tables.
        flops_per_sample: Forward FLOPs a sample at the longest histories that the schema allows; a multiply-add counts
            two.
        num_tokens: Tokens that are mixed, padding tokens included.
    """

    dense_parameters: int
    sparse_parameters: int
    flops_per_sample: float
    num_tokens: int = 0


@dataclass(frozen=True)
class ComponentCost:
    """What one component costs, over all its layers: dense parameters, and FLOPs a sample as in ``ModelCosts``."""

    component: str
    classes: list[str]
    layers: int
    parameters: int
    flops: float


@dataclass(frozen=True)
class Inspection:
    """What a model is made of.

    Args:
        ns_tokens: Names of the features of each NS token; empty for a padding token.
        tables: Rows and width by embedding table.
        flops_per_sample: Forward FLOPs a sample at ``lengths`` and ``candidates``, the samples of each request, as
            training computes them.
        idle_flops: Of those, what inference leaves out: experts that are not active, at the activation that is set.
        lengths: Events of each sequence in the counted batch; that of merged sequences holds the events of all.
        batch_samples: Samples of a training batch.
        memory_bytes: Estimate for a training step by kind, in bytes: tables, layers (each with optimizer
            state), gradients, and activations kept for the backward pass.
        merged: Sequences that are merged into one; empty where each is encoded by itself.
        labels: Which values of which column are positive, in words, by task.
        limits: Tables that ``embedding.max_rows`` hashes or drops, a line each.
    """

    d_model: int
    ns_tokens: list[list[str]]
    queries: dict[str, int]
    sequence_widths: dict[str, int]
    tables: dict[str, tuple[int, int]]
    costs: list[ComponentCost]
    dense_parameters: int
    sparse_parameters: int
    flops_per_sample: float
    lengths: dict[str, int]
    candidates: int
    batch_samples: int
    memory_bytes: dict[str, int] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    idle_flops: float = 0.0


@contextlib.contextmanager
def without_memory() -> Iterator[None]:
    """Let what is built inside have shapes and no memory; reading or writing that memory is an error.

    Example:
        >>> with without_memory():
        ...     layer = nn.Linear(10**6, 10**6)
        >>> sum(p.numel() for p in layer.parameters())
        1000001000000
    """
    with FakeTensorMode(), warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # Whatever reads or writes the memory that these tensors lack would corrupt the process.
        warnings.filterwarnings("error", message="Accessing the data pointer of FakeTensor")
        yield


def model_costs(ranker: Ranker, *, candidates: int = 1) -> ModelCosts:
    """Return what a model costs, real or built without memory; it is left as it is, and so are the random numbers.

    FLOPs are those at ``candidates`` samples a request, which share its encoded sequences.
    """
    dense, sparse = _count_parameters(ranker)
    lengths = {name: spec.max_length for name, spec in ranker.schema.sequences.items()}
    flops = _Shapes(ranker).flops(lengths, candidates)
    return ModelCosts(dense, sparse, flops.get(_ALL, 0.0), ranker.network.ctx.num_tokens)


def inspect_ranker(ranker: Ranker, *, lengths: Mapping[str, int], candidates: int, batch_size: int) -> Inspection:
    """Count a model by component, and estimate the memory of a training step of ``batch_size`` stored rows.

    ``lengths`` are the events of each sequence, ``candidates`` the samples of each request.
    """
    network, schema, shapes = ranker.network, ranker.schema, _Shapes(ranker)
    flops = shapes.flops(lengths, candidates)
    many = shapes.batch(lengths, candidates, batch_size)
    dense, sparse = _count_parameters(ranker)
    padding = network.ctx.num_ns_tokens - network.tokenizer.num_tokens
    merged = list(schema.sequences) if network.ctx.merge_sequences else []
    events = {name: lengths[name] for name in schema.sequences}
    tables: Any = network.tables
    return Inspection(
        d_model=network.ctx.d_model,
        ns_tokens=[list(names) for names in network.tokenizer.token_features] + [[] for _ in range(padding)],
        queries=dict(network.queries.num_queries),
        sequence_widths=dict(network.ctx.sequence_widths),
        tables={name: tuple(tables[name].weight.shape) for name in tables},
        costs=_costs(network, _owners(network), flops),
        dense_parameters=dense,
        sparse_parameters=sparse,
        flops_per_sample=flops.get(_ALL, 0.0),
        lengths={**events, MERGED: sum(events.values())} if merged else events,
        candidates=candidates,
        batch_samples=many.num_samples,
        memory_bytes=_memory(ranker, shapes, many, dense, sparse),
        merged=merged,
        labels={name: f"{task.column or name} {task.rule}" for name, task in ranker.schema.tasks.items()},
        limits=network.limits,
        idle_flops=sum(part.idle_flops() for part in components_of(network)),
    )


class _Shapes:
    """A model whose parameters are replaced by tensors that have shapes and no memory."""

    def __init__(self, ranker: Ranker) -> None:
        self.ranker = ranker
        held = [*ranker.network.named_parameters(), *ranker.network.named_buffers()]
        mode = next((tensor.fake_mode for _, tensor in held if isinstance(tensor, FakeTensor)), None)
        self.mode = mode or FakeTensorMode(allow_non_fake_inputs=True)
        with self.mode, torch.random.fork_rng(devices=[]):
            self.state = {
                name: torch.empty(tensor.shape, dtype=tensor.dtype, requires_grad=tensor.requires_grad)
                for name, tensor in held
            }

    def batch(self, lengths: Mapping[str, int], candidates: int, requests: int) -> Batch:
        """Return a batch without memory, with as many events of each sequence in every request."""
        schema = self.ranker.schema
        events = {name: [lengths[name]] * requests for name in schema.sequences}
        batch = random_batch(schema, num_requests=requests, candidates=candidates, lengths=events)
        fake: Batch = tree_map(lambda x: self.mode.from_tensor(x) if isinstance(x, Tensor) else x, batch)
        return fake

    def forward(self, batch: Batch) -> Any:
        """Return the logits, as shapes; computes what training computes, which no value decides."""
        network = self.ranker.network
        modes = {module: module.training for module in network.modules()}
        network.train()
        try:
            return functional_call(network, self.state, (batch,))
        finally:
            for module, mode in modes.items():
                module.training = mode

    def flops(self, lengths: Mapping[str, int], candidates: int) -> dict[str, float]:
        """Return the forward FLOPs a sample by module path, and of the whole model under ``_ALL``."""
        counter = FlopCounterMode(display=False)
        few = self.batch(lengths, candidates, _REQUESTS)
        # The counter does not know the fused attention kernel of CPUs; the plain one is made of products.
        with self.mode, torch.random.fork_rng(devices=[]), torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            self.forward(few)
        counts = counter.get_flop_counts().items()
        return {module: sum(by_operator.values()) / few.num_samples for module, by_operator in counts}

    def saved_bytes(self, batch: Batch) -> int:
        """Return the bytes that a forward pass keeps for the backward pass, parameters left out."""
        kept: dict[int, Any] = {}  # storages stay alive, so that none takes the place of another
        held = [*self.state.values(), *self.ranker.loss.parameters()]
        own = {tensor.untyped_storage()._cdata for tensor in held}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in own:
                kept.setdefault(storage._cdata, storage)
            return tensor

        with self.mode, torch.random.fork_rng(devices=[]), saved_tensors_hooks(keep, lambda tensor: tensor):
            self.ranker.compute_loss(self.forward(batch), replace(batch, group=None))
        return sum(storage.nbytes() for storage in kept.values())


def _count_parameters(ranker: Ranker) -> tuple[int, int]:
    """Return the number of dense parameters, those of the loss included, and of those in embedding tables."""
    network = ranker.network
    dense = sum(p.numel() for p in [*network.dense_parameters(), *ranker.loss.parameters()])
    return dense, sum(p.numel() for p in network.sparse_parameters())


def _owners(network: nn.Module) -> dict[str, tuple[str, str]]:
    """Return label and class name of every outermost component, by module path."""
    owners: dict[str, tuple[str, str]] = {}
    for path, module in network.named_modules():
        if any(path.startswith(f"{owner}.") for owner in owners):
            continue
        parent, _, name = path.rpartition(".")
        shown = name.replace("/", ".").rstrip("=")
        if isinstance(module, Component) and not isinstance(module, Backbone):
            sequence = f" {shown}" if module.slot in ("encoder", "decoder") else ""
            owners[path] = (f"{module.slot}{sequence}", type(module).__name__)
        elif parent == "sequences":
            owners[path] = (f"events {shown}", type(module).__name__)
        elif isinstance(module, SequenceMerging):
            owners[path] = ("merging", type(module).__name__)
    return owners


def _costs(network: Any, owners: dict[str, tuple[str, str]], flops: dict[str, float]) -> list[ComponentCost]:
    seen = {id(p) for p in network.sparse_parameters()}
    costs = []
    for label in dict.fromkeys(label for label, _ in owners.values()):
        paths = [path for path, (owner, _) in owners.items() if owner == label]
        new = {id(p): p for path in paths for p in network.get_submodule(path).parameters() if id(p) not in seen}
        seen |= set(new)
        costs.append(
            ComponentCost(
                label,
                sorted({owners[path][1] for path in paths}),
                len(paths),
                sum(p.numel() for p in new.values()),
                sum(flops.get(f"{type(network).__name__}.{path}", 0.0) for path in paths),
            )
        )
    rest = sum(p.numel() for p in network.parameters() if id(p) not in seen)
    left = flops.get(_ALL, 0.0) - sum(cost.flops for cost in costs)
    return [*costs, ComponentCost("other", [], 1, rest, max(0.0, left))] if rest or left > 0.5 else costs


def _memory(ranker: Ranker, shapes: _Shapes, batch: Batch, dense: int, sparse: int) -> dict[str, int]:
    network = ranker.network
    with shapes.mode:
        names = {kind: type(optimizer).__name__ for kind, optimizer in ranker.optimizers_by_kind().items()}
    table_state = _STATES.get(names.get("sparse", ""), 2) * sparse
    if names.get("sparse") == "RowWiseAdagrad":
        table_state = sum(p.shape[0] for p in network.sparse_parameters())
    return {
        "tables": _FLOAT * (sparse + table_state),
        "layers": _FLOAT * dense * (1 + _STATES.get(names["dense"], 2)),
        "gradients": _FLOAT * (dense + (0 if ranker.tables_are_sparse else sparse)),
        "activations": shapes.saved_bytes(batch),
    }
