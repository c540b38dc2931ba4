"""A convex energy: an input-convex network (Amos, Xu & Kolter 2017, doi:10.48550/arXiv.1609.07152) of one hidden layer."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from physode.fields.mlp import affine, summed_products, through, turned_products

__all__ = ["ConvexNetwork"]


class ConvexNetwork(nn.Module):
    """out = c'x + the sum of softplus(w_k'x + b_k), convex for whatever weights; offers what a scalar `LinearPlusMLP` does.

    Parameters
    ----------
    n_in : int
        Dimension of x.
    width : int
        Number of hidden units.

    Notes
    -----
    The units count alike: a weight behind them would have to be kept positive, and one at zero could not come back.
    """

    def __init__(self, n_in: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, 1, bias=False)
        self.layer = nn.Linear(n_in, width)
        nn.init.zeros_(self.linear.weight)
        nn.init.normal_(self.layer.weight, std=1 / math.sqrt(n_in))
        nn.init.uniform_(self.layer.bias, -1.0, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map x of shape (batch, n_in) to (batch, 1)."""
        return x @ self.linear.weight.mT + nn.functional.softplus(self._before(x)).sum(-1, keepdim=True)

    def _before(self, x: Tensor) -> Tensor:
        return affine(x, self.layer.weight.mT, self.layer.bias)

    def gradient_closure(self) -> Callable[[Tensor], Tensor]:
        """See `LinearPlusMLP.gradient_closure`."""
        weight, linear = self.layer.weight, self.linear.weight
        return lambda x: linear + torch.sigmoid(self._before(x)) @ weight

    def hessian(self, x: Tensor) -> Tensor:
        """Second derivative at each x, shape (batch, n_in, n_in)."""
        share = torch.sigmoid(self._before(x))
        weight = self.layer.weight.unsqueeze(-3)
        return (share * (1 - share)).unsqueeze(-2) * weight.mT @ weight

    def gradient_pull_back(self, x: Tensor, directions: Tensor) -> tuple[Tensor, ...]:
        """See `LinearPlusMLP.gradient_pull_back`."""
        shape, weight = x.shape[:-1], self.layer.weight
        share = torch.sigmoid(self._before(x.flatten(-3, -2)))
        push = through(directions.flatten(-4, -3), weight.mT) * (share * (1 - share)).unsqueeze(-2)
        bend = push.view(*shape, *push.shape[-2:])
        by_weight = turned_products(share.view(*shape, -1), directions) + summed_products(bend, x)
        return directions.sum(-3), by_weight, bend.sum(-3)

    def penalty_groups(self, prefix: str) -> list[list[list[str]]]:
        """See `LinearPlusMLP.penalty_groups`."""
        return [[[f"{prefix}.layer.weight", f"{prefix}.layer.bias"]]]
