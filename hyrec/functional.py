"""Pure functions on tensors and sequences that the components share."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from hyrec.batch import Sequence


def attention(
    q_RHQd: Tensor, k_RHKd: Tensor, v_RHKd: Tensor, visible: Tensor | None = None, *, dropout: float = 0.0
) -> Tensor:
    """Scaled dot-product attention; the only place where hyrec attends.

    A query that sees no key returns zeros, with zero gradients, instead of NaN.

    Args:
        q_RHQd: Queries.
        k_RHKd: Keys.
        v_RHKd: Values.
        visible: True where a query may attend; broadcastable to ``(R, H, Q, K)``. None: everywhere.
        dropout: Probability to drop an attention weight.

    Shape:
        Returns ``(R, H, Q, d)`` with d the width of the values.

    Raises:
        ValueError: When ``visible`` is not boolean. An additive mask would be read as one by accident.
    """
    if visible is None:
        return F.scaled_dot_product_attention(q_RHQd, k_RHKd, v_RHKd, dropout_p=dropout)
    if visible.dtype != torch.bool:
        raise ValueError(f"visible must be boolean (True = may attend), got {visible.dtype}.")
    sees_any = visible.any(dim=-1, keepdim=True)
    out = F.scaled_dot_product_attention(q_RHQd, k_RHKd, v_RHKd, attn_mask=visible | ~sees_any, dropout_p=dropout)
    return out.masked_fill(~sees_any, 0.0)


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """``(R, L, D)`` to ``(R, H, L, D / H)``."""
    return rearrange(x, "r l (h d) -> r h l d", h=num_heads)


def merge_heads(x: Tensor) -> Tensor:
    """Undo ``split_heads``."""
    return rearrange(x, "r h l d -> r l (h d)")


def rotate(x_ND: Tensor, position_N: Tensor, num_heads: int, *, base: float = 10_000.0) -> Tensor:
    """Turn the vectors of every head by their position: rotary position embedding (arXiv 2104.09864 3.2).

    The numbers i and i + d/2 of a head, d wide, are a pair, which is turned by ``position * base^(-2i / d)``. The
    product of two rotated vectors depends on the difference of their positions only; of one rotated and one that is not
    on the position itself.

    Args:
        x_ND: Packed rows, with an even width of each head.
        position_N: Position of each row.
        num_heads: H.
        base: What frequencies are powers of.

    Shape:
        Returns ``(N, D)``.
    """
    first, second = rearrange(x_ND, "n (h two half) -> two n h half", h=num_heads, two=2)
    wide = torch.promote_types(x_ND.dtype, torch.float32)
    half = first.shape[-1]
    frequency = base ** (-torch.arange(half, device=x_ND.device, dtype=wide) / half)
    angle = (position_N.to(wide).unsqueeze(1) * frequency).unsqueeze(1)
    cos, sin = angle.cos().to(x_ND.dtype), angle.sin().to(x_ND.dtype)
    turned = torch.stack([first * cos - second * sin, second * cos + first * sin])
    return rearrange(turned, "two n h half -> n (h two half)")


def mix_tokens(tokens_BTD: Tensor) -> Tensor:
    """Exchange slices between tokens: part h of every token makes the new token h (RankMixer 3.2, HyFormer 3.5).

    ``mixed[b, h] = concat_t tokens[b, t, h * D / T : (h + 1) * D / T]``. Parameter-free, and its own inverse.

    Example:
        >>> mix_tokens(torch.arange(4.0).view(1, 2, 2)).tolist()
        [[[0.0, 2.0], [1.0, 3.0]]]
    """
    return rearrange(tokens_BTD, "b t (h d) -> b h (t d)", h=tokens_BTD.shape[1])


def check_divisible_width(name: str, d_model: int, num_queries: dict[str, int], num_ns_tokens: int) -> None:
    """Refuse widths that cannot be cut into one slice a token.

    Raises:
        ValueError: With both numbers and values that work.
    """
    num_tokens = sum(num_queries.values()) + num_ns_tokens
    if num_tokens < 1 or d_model % num_tokens == 0:
        return
    below, above = d_model // num_tokens * num_tokens, -(-d_model // num_tokens) * num_tokens
    widths = " or ".join(f"d_model={w}" for w in (below, above) if w)
    remedy = f"{widths} works, or {d_model} tokens."
    if num_tokens < d_model:
        remedy = f"{widths} works, or {next_divisor(d_model, num_tokens)} tokens, or pad_tokens=true."
    parts = " + ".join([f"{q} for {s}" for s, q in num_queries.items()])
    raise ValueError(
        f"{name} needs d_model divisible by the number of mixed tokens: got d_model={d_model} and {num_tokens} tokens "
        f"(queries: {parts or 'none'}; {num_ns_tokens} NS tokens). {remedy}"
    )


def next_divisor(d_model: int, num_tokens: int) -> int:
    """Return the smallest divisor of ``d_model`` that is at least ``num_tokens``.

    Raises:
        ValueError: When there are more tokens than the width has dimensions.
    """
    if num_tokens > d_model:
        raise ValueError(
            f"{num_tokens} tokens cannot share d_model={d_model}: a token needs at least one dimension of every "
            f"other. Use d_model={num_tokens} or more, or fewer groups and queries."
        )
    return next(t for t in range(max(1, num_tokens), d_model + 1) if d_model % t == 0)


def time_buckets(seconds: Tensor, num_buckets: int) -> Tensor:
    """Bucket the age of an event on a logarithmic scale.

    Bucket 0 means that the age is unknown (NaN); 1 is below one second (and events that are not older than the
    impression); the others divide log(1 s) to log(3 years) equally, the last one open.

    Args:
        seconds: Age in seconds, any shape.
        num_buckets: At least 3.
    """
    limit = math.log(3 * 365 * 86400.0)
    pieces = num_buckets - 2
    piece = (seconds.clamp(min=1.0).log() * (pieces / limit)).clamp(max=pieces - 1).nan_to_num(0.0)
    known = torch.where(seconds < 1.0, 1, piece.floor().to(torch.int64) + 2)
    return torch.where(seconds.isnan(), 0, known)


def probability(logit: Tensor) -> Tensor:
    """Return the sigmoid in float64: in float32 all logits above 17 are one score, and ties lose their order.

    Where a device has no float64 (Apple's GPUs), the result is on the CPU.

    Example:
        >>> float(probability(torch.tensor(20.0)) < probability(torch.tensor(21.0)))
        1.0
    """
    wide = logit.cpu() if logit.device.type == "mps" else logit
    return wide.double().sigmoid()


def concatenate(sequences: Mapping[str, Sequence]) -> Sequence:
    """Put the sequences of every request behind one another, in the order of ``sequences``.

    Args:
        sequences: By name; the same requests and the same width in each.

    Shape:
        Returns a sequence whose N and whose L are the sums of theirs; with times if all have them.
    """
    parts = list(sequences.values())
    # A stable sort keeps sequences and their events in order; spare rows belong to request R, behind all others.
    return _joined(parts, torch.cat([sequence.row_index() for sequence in parts]).argsort(stable=True))


def interleave_by_time(sequences: Mapping[str, Sequence]) -> Sequence:
    """Interleave the sequences of every request into one, oldest event first.

    Events of one moment keep the order of ``sequences`` and, within a sequence, their own. Events of unknown time
    (NaN) come before all others of their request, in the same order.

    Args:
        sequences: By name; the same requests and the same width in each.

    Shape:
        Returns a sequence whose N and whose L are the sums of theirs.

    Raises:
        ValueError: When a sequence carries no times.
    """
    times = {name: sequence.time for name, sequence in sequences.items() if sequence.time is not None}
    if untimed := [name for name in sequences if name not in times]:
        raise ValueError(f"Sequences are merged in order of time, but these carry no times: {', '.join(untimed)}.")
    parts, time = list(sequences.values()), torch.cat(list(times.values()))
    row = torch.cat([sequence.row_index() for sequence in parts])
    order = time.masked_fill(time.isnan(), -math.inf).argsort(stable=True)
    # A stable sort keeps the order of time within a request; spare rows belong to request R, behind all others.
    order = order.index_select(0, row.index_select(0, order).argsort(stable=True))
    return _joined(parts, order)


def _joined(parts: list[Sequence], order: Tensor) -> Sequence:
    """Return the rows of all parts in an order that leaves each request's together, and spare rows at the end."""
    times = [sequence.time for sequence in parts if sequence.time is not None]
    return Sequence(
        torch.cat([sequence.values for sequence in parts]).index_select(0, order),
        torch.stack([sequence.offsets for sequence in parts]).sum(0),
        sum(sequence.max_length for sequence in parts),
        torch.cat(times).index_select(0, order) if len(times) == len(parts) else None,
    )


def sum_over_processes(values: Tensor) -> Tensor:
    """Return the sum over all processes of a run; the values themselves where there is one."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return values
    total = values.clone()
    torch.distributed.all_reduce(total)
    return total
