"""Known mistakes of public copies, planted one at a time: the parity checks must notice each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hyrec.batch import Batch, RequestMap, Sequence
from hyrec.functional import interleave_by_time
from hyrec.nn.feedforward import PerTokenFeedForward
from hyrec.nn.sampling import sample_events
from hyrec.sample_batch import random_batch
from tests.parity.building import ragged
from tests.parity.test_backbone_parity import (
    check_hyformer,
    hyformer_network,
    overlapping_batch,
    sixteen_wide_schema,
    timed_schema,
)
from tests.parity.test_baseline_options import check_decoder
from tests.parity.test_block_parity import check_unified
from tests.parity.test_encoder_parity import WIDTH, check_longer, longer_stack
from tests.parity.test_longer_queries import check_sampled_layers
from tests.parity.test_user_tokens import check_user_tokens

LENGTHS = {"clicks": [6, 0, 1, 2], "searches": [0, 0, 5, 3], "likes": [4, 0, 2, 1]}


def generic_batch() -> Batch:
    return random_batch(
        sixteen_wide_schema(),
        num_requests=4,
        candidates=[1, 2, 1, 1],
        lengths=LENGTHS,
        spare=3,
        missing=0.2,
        seed=11,
    )


def check_whole_model() -> None:
    check_hyformer(hyformer_network(sixteen_wide_schema()), generic_batch())


def check_merged_model() -> None:
    check_hyformer(hyformer_network(timed_schema(), merged=True), overlapping_batch(timed_schema(), [1, 2, 1, 1]))


def check_longer_layers() -> None:
    stack = longer_stack(2, num_recent=5, merge_ratio=2, inner_layers=1, num_heads=2, expansion=1)
    sequence = ragged([6, 0, 1, 13], WIDTH, spare=3)
    check_longer(stack, sequence, num_recent=5, ratio=2, inner=1, memory="encoded")


def gather_with_misplaced_mask(self: Sequence, num_events: int) -> Sequence:
    """Take the valid prefix, but treat its FIRST ``k - length`` slots as padding, empty ones as events."""
    kept, lengths = [], []
    bounds = self.offsets.tolist()
    for start, stop in pairwise(bounds):
        events = list(self.values[start:stop])
        if len(events) >= num_events:
            chosen = events[-num_events:]
        else:
            gap = num_events - len(events)
            slots = events + [torch.zeros_like(self.values[0])] * gap
            chosen = slots[gap:]
        kept += chosen
        lengths.append(len(chosen))
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return Sequence(torch.stack(kept), offsets, min(self.max_length, num_events))


def oldest_instead_of_recent(self: Sequence, num_events: int) -> Sequence:
    """Keep the first k events: right for files that are stored newest first, wrong for what a batch holds."""
    lengths = self.lengths.clamp(max=num_events)
    index = [start + i for start, n in zip(self.offsets[:-1].tolist(), lengths.tolist(), strict=True) for i in range(n)]
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    return Sequence(self.values[index], offsets, min(self.max_length, num_events))


def sampled_as_if_recent(events: Sequence, num_events: int, num_newest: int) -> Any:
    """Sample events, and mask as if they were the last ones."""
    return sample_events(events, num_events, num_newest)[0], None


def without_mask(q: Tensor, k: Tensor, v: Tensor, visible: Any = None, *, dropout: float = 0.0) -> Tensor:
    """Attend to padding as well, "for speed"."""
    return functional.scaled_dot_product_attention(q, k, v)


def all_tokens_visible(q: Tensor, k: Tensor, v: Tensor, visible: Any = None, *, dropout: float = 0.0) -> Tensor:
    """Attend to the tokens of all candidates of a request."""
    events = k.shape[2] - q.shape[2]
    visible = torch.cat([visible[..., :events], torch.ones_like(visible[..., events:])], dim=-1)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=visible)


def upper_triangular(q: Tensor, k: Tensor, v: Tensor, visible: Any = None, *, dropout: float = 0.0) -> Tensor:
    """The mask as LONGER prints it (j >= i is visible), on events that are stored oldest first."""
    if visible is None or visible.shape[2] == 1:
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=visible)
    last = visible.any(2, keepdim=True)
    newest_first = (last & ~visible) | torch.eye(visible.shape[2], visible.shape[3], dtype=torch.bool).expand_as(
        visible
    )
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=newest_first)


def shared_feed_forward(self: PerTokenFeedForward, tokens: Tensor) -> Tensor:
    """A "per-token" network that every token shares."""
    hidden = functional.gelu(tokens @ self.w1_TDK[0] + self.b1_TK[0])
    return hidden @ self.w2_TKD[0] + self.b2_TD[0]


def interleaved_channels(tokens: Tensor) -> Tensor:
    """Mix by transposing raw channels instead of slices."""
    return tokens.transpose(1, 2).reshape(tokens.shape)


def mean_over_padding(self: Sequence) -> Tensor:
    """Divide by the padded length."""
    padded = self.padded().masked_fill(~self.mask().unsqueeze(-1), 0.0)
    return padded.sum(1) / self.max_length


def from_the_oldest(self: Sequence, ratio: int) -> Any:
    """Group adjacent events from the oldest on, so that the newest group is the short one."""
    groups, masks, counts = [], [], []
    bounds = self.offsets.tolist()
    for start, stop in pairwise(bounds):
        counts.append(-(-(stop - start) // ratio))
        for i in range(start, stop, ratio):
            group = self.values[i : min(stop, i + ratio)]
            groups.append(functional.pad(group, (0, 0, 0, ratio - len(group))))
            masks.append(torch.arange(ratio) < len(group))
    stacked, mask = torch.stack(groups), torch.stack(masks)
    offsets = torch.tensor([0, *counts]).cumsum(0)
    return stacked, mask, Sequence(stacked.flatten(1), offsets, -(-self.max_length // ratio))


def first_rows(self: RequestMap, rows: Tensor) -> Tensor:
    """Give sample b the row b, whatever its request."""
    return rows[torch.arange(len(self.index)).clamp(max=len(rows) - 1)]


def check_places() -> None:
    check_decoder({"position": "rope"}, [0, 1, 2, 3])


def place_in_memory(self: Sequence) -> Tensor:
    """Count places from the oldest event on."""
    start = self.offsets[:-1][self.row_index().clamp(max=self.num_requests - 1)]
    return torch.arange(len(start)) - start


def place_in_the_padded_batch(self: Sequence) -> Tensor:
    """Count places from the right end of the padded sequence."""
    return self.max_length - 1 - place_in_memory(self)


def interleave_at(moments: Callable[[Tensor], Tensor], sequences: Mapping[str, Sequence]) -> Sequence:
    """Interleave at other moments than those of the events."""
    moved = {}
    for name, events in sequences.items():
        assert events.time is not None
        moved[name] = Sequence(events.values, events.offsets, events.max_length, moments(events.time))
    return interleave_by_time(moved)


one_after_the_other = partial(interleave_at, torch.zeros_like)
newest_first = partial(interleave_at, torch.neg)
unknown_times_last = partial(interleave_at, lambda time: time.nan_to_num(1e12))


INTERLEAVE = "hyrec.embeddings.merging.interleave_by_time"
MISTAKES: dict[str, tuple[str, Any, Callable[[], None]]] = {
    "LONGER: the mask does not follow the gather": (
        "hyrec.batch.Sequence.recent",
        gather_with_misplaced_mask,
        check_longer_layers,
    ),
    "the mask does not follow the gather": (
        "hyrec.batch.Sequence.recent",
        gather_with_misplaced_mask,
        check_whole_model,
    ),
    "LONGER: the oldest events pass for recent": (
        "hyrec.batch.Sequence.recent",
        oldest_instead_of_recent,
        check_longer_layers,
    ),
    "the oldest events pass for recent": (
        "hyrec.batch.Sequence.recent",
        oldest_instead_of_recent,
        check_whole_model,
    ),
    "LONGER: attention without a mask": ("hyrec.nn.attention.attention", without_mask, check_longer_layers),
    "attention without a mask": ("hyrec.nn.attention.attention", without_mask, check_whole_model),
    "inner layers without a mask": ("hyrec.nn.transformer.attention", without_mask, check_longer_layers),
    "blocks: attention without a mask": ("hyrec.nn.stream.attention", without_mask, check_unified),
    "blocks: candidates see the tokens of others": ("hyrec.nn.stream.attention", all_tokens_visible, check_unified),
    "the causal mask upside down": ("hyrec.nn.attention.attention", upper_triangular, check_longer_layers),
    "LONGER: the mask of sampled tokens is that of recent ones": (
        "hyrec.encoders.longer.sample_events",
        sampled_as_if_recent,
        check_sampled_layers,
    ),
    "blocks: events see the tokens of the candidate": (
        "hyrec.context.BuildContext.candidate_dependent",
        [False] * 6,
        check_user_tokens,
    ),
    "one feed-forward network for all tokens": (
        "hyrec.nn.feedforward.PerTokenFeedForward.forward",
        shared_feed_forward,
        check_whole_model,
    ),
    "mixing raw channels": ("hyrec.mixers.rankmixer.mix_tokens", interleaved_channels, check_whole_model),
    "pooling over padding": ("hyrec.batch.Sequence.mean", mean_over_padding, check_whole_model),
    "merging tokens from the oldest": (
        "hyrec.batch.Sequence.merge_tokens",
        from_the_oldest,
        check_longer_layers,
    ),
    "rows of the wrong request": ("hyrec.batch.RequestMap.expand", first_rows, check_whole_model),
    "places counted from the oldest event": ("hyrec.batch.Sequence.recency", place_in_memory, check_places),
    "places that padding moves": ("hyrec.batch.Sequence.recency", place_in_the_padded_batch, check_places),
    "merged: one sequence after the other": (INTERLEAVE, one_after_the_other, check_merged_model),
    "merged: newest first": (INTERLEAVE, newest_first, check_merged_model),
    "merged: events of unknown time last": (INTERLEAVE, unknown_times_last, check_merged_model),
}


CHECKS = [
    check_whole_model,
    check_merged_model,
    check_longer_layers,
    check_sampled_layers,
    check_unified,
    check_user_tokens,
    check_places,
]


@pytest.mark.parametrize("check", CHECKS)
def test_parity_holds_without_a_planted_mistake(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_parity_notices(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, wrong, check = MISTAKES[mistake]
    monkeypatch.setattr(target, wrong)
    with pytest.raises(AssertionError):
        check()
