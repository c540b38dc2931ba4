"""The function that every field learns: a linear map plus a multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from physode.errors import unknown_name

__all__ = ["ACTIVATIONS", "LinearPlusMLP"]

Function = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, tuple[Function, Function]] = {
    "tanh": (torch.tanh, lambda a: 1 - torch.tanh(a).square()),
    "softplus": (nn.functional.softplus, torch.sigmoid),
    "silu": (nn.functional.silu, lambda a: torch.sigmoid(a) * (1 + a * (1 - torch.sigmoid(a)))),
    "sine": (torch.sin, torch.cos),
}
"""Activation functions with their derivatives; all are smooth, as high-order integrators need."""


class LinearPlusMLP(nn.Module):
    """out = A x + MLP(x), so that a linear law needs no hidden unit and a small network bends it.

    Parameters
    ----------
    n_in, n_out : int
        Dimensions of x and of the result.
    hidden : sequence of int
        Widths of the hidden layers.
    activation : str
        A key of `ACTIVATIONS`.

    Notes
    -----
    The linear part starts at zero, hidden weights are drawn from the default torch generator with variance 1 / n, and the last
    layer is drawn a hundred times smaller, so that a fresh field is close to standing still.
    """

    def __init__(self, n_in: int, n_out: int, hidden: Sequence[int], activation: str) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise unknown_name("activation", activation, ACTIVATIONS)
        self.function, self.slope = ACTIVATIONS[activation]
        self.linear = nn.Linear(n_in, n_out, bias=False)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([n_in, *hidden, n_out]))
        nn.init.zeros_(self.linear.weight)
        for number, layer in enumerate(self.layers):
            last = number == len(hidden)
            nn.init.normal_(layer.weight, std=(0.01 if last else 1.0) / math.sqrt(layer.in_features))
            nn.init.zeros_(layer.bias) if last else nn.init.uniform_(layer.bias, -1.0, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map x of shape (batch, n_in) to (batch, n_out)."""
        out: Tensor = x
        for layer in self.layers[:-1]:
            out = self.function(layer(out))
        return self.layers[-1](out) + self.linear(x)

    def input_jacobian(self, x: Tensor) -> Tensor:
        """Differentiate the result by x, shape (batch, n_out, n_in); itself differentiable."""
        slopes = []
        for layer in self.layers[:-1]:
            before = layer(x if not slopes else activity)
            activity = self.function(before)
            slopes.append(self.slope(before))
        back = self.layers[-1].weight.expand(len(x), -1, -1)
        for layer, slope in zip(reversed(self.layers[:-1]), reversed(slopes), strict=True):
            back = (back * slope[:, None, :]) @ layer.weight
        return back + self.linear.weight

    def jacobians(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Differentiate at each x by hand-written backpropagation.

        Returns
        -------
        by_input : Tensor, shape (batch, n_out, n_in)
        by_parameters : Tensor, shape (batch, n_out, n_parameters), in the order of ``parameters()``
        """
        activity, slopes = [x], []
        for layer in self.layers[:-1]:
            before = layer(activity[-1])
            activity.append(self.function(before))
            slopes.append(self.slope(before))
        batch, n_out = x.shape[0], self.layers[-1].out_features
        back = torch.eye(n_out, dtype=x.dtype, device=x.device).expand(batch, n_out, n_out)
        pieces: list[Tensor] = []
        for number in range(len(self.layers) - 1, -1, -1):
            pieces = [(back[..., None] * activity[number][:, None, None, :]).flatten(2), back, *pieces]
            back = back @ self.layers[number].weight
            if number:
                back = back * slopes[number - 1][:, None, :]
        eye = torch.eye(n_out, dtype=x.dtype, device=x.device)
        linear = (eye[None, :, :, None] * x[:, None, None, :]).flatten(2)
        return back + self.linear.weight, torch.cat([linear, *pieces], dim=2)

    def penalty_groups(self, prefix: str) -> list[list[str]]:
        """Names of the hidden layers' parameters, one group a layer, and of the last weights; `prefix` leads each name."""
        last = len(self.layers) - 1
        hidden = [[f"{prefix}.layers.{k}.weight", f"{prefix}.layers.{k}.bias"] for k in range(last)]
        return [*hidden, [f"{prefix}.layers.{last}.weight"]]
