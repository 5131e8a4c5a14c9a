"""Adagrad with one accumulator a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class RowWiseAdagrad(Optimizer):
    """Adagrad that keeps the mean squared gradient of each row of a table instead of one number an element.

    ``s_r += mean_d g_rd^2``, ``w_r -= lr * g_r / (sqrt(s_r) + eps)``. With sparse gradients only the rows that a
    batch touched are read or written; duplicate rows of a gradient are summed first, so the result equals that of
    the dense gradient.

    Args:
        params: Parameters or groups; each parameter is a table ``(rows, dim)``.
        lr: Learning rate.
        eps: Added to the denominator.
        initial_accumulator: Value that every accumulator starts from.
        weight_decay: Times the row, added to the gradient of each row that a batch touched (one whose gradient is not
            zero); other rows are left as they are.

    Raises:
        ValueError: When an option is negative.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.05,
        eps: float = 1e-8,
        initial_accumulator: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"lr": lr, "eps": eps, "initial_accumulator": initial_accumulator, "weight_decay": weight_decay}
        for name, value in options.items():
            if not isinstance(value, (int, float)) or value < 0:
                raise ValueError(f"RowWiseAdagrad needs {name} >= 0, got {value}.")
        super().__init__(params, options)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._update(param, param.grad, group)
        return loss

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[param]
        if not state:
            state["sum"] = torch.full(
                (param.shape[0],), group["initial_accumulator"], dtype=torch.float32, device=param.device
            )
        accumulator: Tensor = state["sum"]
        decay = group.get("weight_decay", 0.0)  # a state of before has none
        if not grad.is_sparse:
            if decay:
                touched = grad.flatten(1).any(dim=1).view(-1, *[1] * (grad.dim() - 1))
                grad = torch.where(touched, grad + decay * param, grad)
            accumulator += grad.float().flatten(1).square().mean(dim=1)
            scale = group["lr"] / (accumulator.sqrt() + group["eps"])
            param.sub_(grad * scale.to(grad.dtype).view(-1, *[1] * (grad.dim() - 1)))
            return
        grad = grad.coalesce()
        rows, values = grad.indices().squeeze(0), grad.values()
        if decay:
            touched = values.any(dim=1, keepdim=True)
            values = torch.where(touched, values + decay * param.index_select(0, rows), values)
        seen = accumulator.index_select(0, rows) + values.float().square().mean(dim=1)
        accumulator.index_copy_(0, rows, seen)
        step = values * (-group["lr"] / (seen.sqrt() + group["eps"])).to(values.dtype).unsqueeze(1)
        param.index_add_(0, rows, step.to(param.dtype))
