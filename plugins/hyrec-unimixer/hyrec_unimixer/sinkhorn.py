"""From free numbers to a symmetric doubly stochastic matrix."""

from __future__ import annotations

import torch
from torch import Tensor


def symmetric_sinkhorn(logits: Tensor, temperature: Tensor | float, num_iterations: int) -> Tensor:
    """Return the symmetric matrix ``diag(u) exp(S / temperature) diag(u)`` whose rows sum to one.

    ``S = (logits + logits^T) / 2``. Each iteration halves ``log u`` towards ``-log(exp(S / temperature) u)``, which
    keeps the matrix exactly symmetric and turns the row sums into one as the iterations go on. In float32 or wider.

    Args:
        logits: Free parameters.
        temperature: Low values draw the matrix to its corners, such as permutations.
        num_iterations: Iterations; gradients pass through all of them.

    Shape:
        logits: ``(n, n)``. Returns ``(n, n)``.

    Example:
        >>> matrix = symmetric_sinkhorn(torch.eye(2), 0.5, 50)
        >>> [round(total, 4) for total in matrix.sum(dim=1).tolist()]
        [1.0, 1.0]
    """
    with torch.autocast(logits.device.type, enabled=False):
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        kernel = (wide + wide.T) / (2 * temperature)
        log_u = kernel.new_zeros(len(kernel))
        for _ in range(num_iterations):
            log_u = (log_u - torch.logsumexp(kernel + log_u, dim=1)) / 2
        return (kernel + (log_u + log_u.unsqueeze(1))).exp()
