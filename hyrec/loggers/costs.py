"""What a model costs, counted on the model that is being trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

from hyrec.ranker import Ranker
from hyrec.testing.batches import random_batch

_REQUESTS = 4


def model_costs(ranker: Ranker) -> dict[str, float]:
    """Return ``dense_parameters``, ``sparse_parameters`` and ``flops_per_sample``.

    FLOPs are those of a forward pass at the longest histories that the schema allows, one candidate a request; a
    multiply-add counts two. Nothing is computed: the pass runs on shapes, and the model is left as it is.

    Args:
        ranker: A model with real parameters, on any device.
    """
    network, schema = ranker.network, ranker.schema
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    batch = random_batch(
        schema,
        num_requests=_REQUESTS,
        candidates=1,
        lengths={name: [spec.max_length] * _REQUESTS for name, spec in schema.sequences.items()},
    )
    shapes: Any = tree_map(lambda x: mode.from_tensor(x) if isinstance(x, Tensor) else x, batch)
    counter = FlopCounterMode(display=False)
    # The counter does not know the fused attention kernel of CPUs; the plain one is made of products.
    with mode, torch.random.fork_rng(devices=[]), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        held = [*network.named_parameters(), *network.named_buffers()]
        state = {name: torch.empty(tensor.shape, dtype=tensor.dtype) for name, tensor in held}
        with counter:
            functional_call(network, state, (shapes,))
    dense = [*network.dense_parameters(), *ranker.loss.parameters()]
    return {
        "dense_parameters": sum(p.numel() for p in dense),
        "sparse_parameters": sum(p.numel() for p in network.sparse_parameters()),
        "flops_per_sample": counter.get_total_flops() / batch.num_samples,
    }
