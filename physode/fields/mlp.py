"""The function that every field learns: a linear map plus a multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from physode.errors import unknown_name

__all__ = ["ACTIVATIONS", "LinearPlusMLP", "affine", "summed_products", "through", "turned_products"]

Function = Callable[[Tensor], Tensor]

Derivative = Callable[[Tensor, Tensor], Tensor]


FEW = 1_000
"""Arguments so few that a call costs more than the function."""


def _tanh(a: Tensor) -> Tensor:
    """By the logistic function where there are many: torch computes it in less than half the time."""
    return torch.tanh(a) if a.numel() < FEW else torch.sigmoid(2 * a) * 2 - 1


def _tanh_slope(_: Tensor, value: Tensor) -> Tensor:
    return torch.addcmul(value.new_ones(()), value, value, value=-1)


def _tanh_curvature(_: Tensor, value: Tensor) -> Tensor:
    return -2 * value * (1 - value.square())


def _softplus_slope(a: Tensor, _: Tensor) -> Tensor:
    return torch.sigmoid(a)


def _softplus_curvature(a: Tensor, _: Tensor) -> Tensor:
    return torch.sigmoid(a) * (1 - torch.sigmoid(a))


def _silu_slope(a: Tensor, value: Tensor) -> Tensor:
    return torch.sigmoid(a) * (1 - value) + value


def _silu_curvature(a: Tensor, value: Tensor) -> Tensor:
    return torch.sigmoid(a) * (1 - torch.sigmoid(a)) * (2 + a - 2 * value)


def _sine_slope(a: Tensor, _: Tensor) -> Tensor:
    return torch.cos(a)


def _sine_curvature(_: Tensor, value: Tensor) -> Tensor:
    return -value


ACTIVATIONS: dict[str, tuple[Function, Derivative, Derivative]] = {
    "tanh": (_tanh, _tanh_slope, _tanh_curvature),
    "softplus": (nn.functional.softplus, _softplus_slope, _softplus_curvature),
    "silu": (nn.functional.silu, _silu_slope, _silu_curvature),
    "sine": (torch.sin, _sine_slope, _sine_curvature),
}
"""Activation functions with their first and second derivatives, from the argument and the value; all are smooth, as high-order integrators
need, and have names, so that a model can be pickled."""


def affine(x: Tensor, turned: Tensor, bias: Tensor) -> Tensor:
    """x W' + b in one call, from W'; also for members: x (members, batch, n), W' (members, n, m), b (members, m)."""
    if turned.ndim == 2:
        return torch.addmm(bias, x, turned)
    return torch.baddbmm(bias.unsqueeze(-2), x, turned)


def through(rows: Tensor, weight: Tensor) -> Tensor:
    """Multiply the last dimension of rows (..., batch, k, n) by a weight (n, m), or by each member's (members, n, m), in one product."""
    *lead, batch, k, _ = rows.shape
    return (rows.flatten(-3, -2) @ weight).view(*lead, batch, k, weight.shape[-1])


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """Sum over terms of left (..., terms, i) times right (..., terms, j), shape (..., i, j); of one term no matrix product is needed."""
    return left.mT * right if left.shape[-2] == 1 else left.mT @ right


def summed_products(left: Tensor, right: Tensor) -> Tensor:
    """Sum over terms of left (..., terms, rows, i) times right (..., terms, j), shape (..., rows, i * j)."""
    *_, rows, n = left.shape
    product = _outer(left.flatten(-2), right)
    return product.view(*product.shape[:-2], rows, n * right.shape[-1])


def turned_products(left: Tensor, right: Tensor) -> Tensor:
    """Sum over terms of left (..., terms, i) times right (..., terms, rows, j), shape (..., rows, i * j)."""
    *_, rows, n = right.shape
    product = _outer(left, right.flatten(-2))
    return product.view(*product.shape[:-1], rows, n).transpose(-3, -2).flatten(-2)


class LinearPlusMLP(nn.Module):
    """out = A x + MLP(x), so that a linear law needs no hidden unit and a small network bends it.

    Every method works for members as well (`physode.fields.members`): then x and what is returned have a leading dimension of members.

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
        self.activation = activation
        self.function, self.slope, self.curvature = ACTIVATIONS[activation]
        self.linear = nn.Linear(n_in, n_out, bias=False)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([n_in, *hidden, n_out]))
        nn.init.zeros_(self.linear.weight)
        for number, layer in enumerate(self.affine):
            last = number == len(hidden)
            nn.init.normal_(layer.weight, std=(0.01 if last else 1.0) / math.sqrt(layer.in_features))
            nn.init.zeros_(layer.bias) if last else nn.init.uniform_(layer.bias, -1.0, 1.0)

    @property
    def affine(self) -> tuple[nn.Linear, ...]:
        """The hidden layers and the last one, typed."""
        return tuple(cast(nn.Linear, layer) for layer in self.layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map x of shape (batch, n_in) to (batch, n_out)."""
        return self._map([(layer.weight, layer.bias) for layer in self.affine], self.function)(x)

    def closure(self) -> Function:
        """Give the same map as a plain function, for many calls and without a module's overhead; still differentiable."""
        layers: list[tuple[Tensor, Tensor]] = [(layer.weight, layer.bias) for layer in self.affine]
        if self.activation != "tanh":
            return self._map(layers, self.function)
        # tanh a = 2 sigmoid(2 a) - 1, where the numbers go into the weights
        first, *others = layers
        *hidden, last = [first, *((2 * weight, bias - weight.sum(-1)) for weight, bias in others)]
        return self._map([*((2 * weight, 2 * bias) for weight, bias in hidden), last], torch.sigmoid)

    def _map(self, layers: Sequence[tuple[Tensor, Tensor]], function: Function) -> Function:
        """Compose weights and biases, the linear part added to the last."""
        turned = [(weight.mT, bias if weight.ndim == 2 else bias.unsqueeze(-2)) for weight, bias in layers]
        *hidden, (last, bias) = turned
        skip = self.linear.weight.mT
        plus = torch.addmm if skip.ndim == 2 else torch.baddbmm

        def evaluate(x: Tensor) -> Tensor:
            out = x
            for weight, shift in hidden:
                out = function(plus(shift, out, weight))
            return plus(plus(bias, out, last), x, skip)

        return evaluate

    def gradient_closure(self) -> Function:
        """Give the gradient of a scalar network (n_out = 1) as a plain function from (batch, n_in) to itself; still differentiable."""
        layers = [(layer.weight, layer.bias) for layer in self.affine]
        hidden, (last, _) = layers[:-1], layers[-1]
        function, slope, skip = self.function, self.slope, self.linear.weight

        def evaluate(x: Tensor) -> Tensor:
            slopes, out = [], x
            for weight, shift in hidden:
                before = affine(out, weight.mT, shift)
                out = function(before)
                slopes.append(slope(before, out))
            back = last
            for (weight, _), bend in zip(reversed(hidden), reversed(slopes), strict=True):
                back = (back * bend) @ weight
            return back + skip

        return evaluate

    def input_jacobian(self, x: Tensor) -> Tensor:
        """Differentiate the result by x, shape (batch, n_out, n_in); itself differentiable."""
        *hidden, last = self.affine
        activity, slopes = x, []
        for layer in hidden:
            before = affine(activity, layer.weight.mT, layer.bias)
            activity = self.function(before)
            slopes.append(self.slope(before, activity))
        if not hidden:
            return (last.weight + self.linear.weight).unsqueeze(-3).expand(*x.shape[:-1], -1, -1)
        *others, deepest = hidden
        pairs = last.weight.mT.unsqueeze(-1) * deepest.weight.unsqueeze(-2)  # of an output and an input, for each unit of the last layer
        back = (slopes.pop() @ pairs.flatten(-2)).view(*x.shape[:-1], *pairs.shape[-2:])
        for layer, slope in zip(reversed(others), reversed(slopes), strict=True):
            back = through(back * slope.unsqueeze(-2), layer.weight)
        return back + self.linear.weight.unsqueeze(-3)

    def pull_back(self, x: Tensor, cotangents: Tensor) -> tuple[Tensor, ...]:
        """Differentiate by the parameters, by backpropagation; see `AbstractField.pull_back`.

        Parameters
        ----------
        x : Tensor, shape (batch, terms, n_in)
        cotangents : Tensor, shape (batch, terms, rows, n_out)

        Returns
        -------
        tuple of Tensor, one for each of ``parameters()``, shape (batch, rows, size of the parameter)
        """
        layers, shape = self.affine, x.shape[:-1]
        activity, slopes = [x.flatten(-3, -2)], []
        for layer in layers[:-1]:
            before = affine(activity[-1], layer.weight.mT, layer.bias)
            activity.append(self.function(before))
            slopes.append(self.slope(before, activity[-1]))
        back, by_layers = cotangents, list[Tensor]()
        for number in range(len(layers) - 1, -1, -1):
            by_layers = [summed_products(back, activity[number].view(*shape, -1)), back.sum(-3), *by_layers]
            if number:
                back = through(back.flatten(-4, -3), layers[number].weight) * slopes[number - 1].unsqueeze(-2)
                back = back.view(*shape, *back.shape[-2:])
        return summed_products(cotangents, x), *by_layers

    def gradient_pull_back(self, x: Tensor, directions: Tensor) -> tuple[Tensor, ...]:
        """Differentiate the gradient of a scalar network (n_out = 1) in given directions by the parameters, by hand.

        The tangent of backpropagation, Pearlmutter 1994 (doi:10.1162/neco.1994.6.1.147).

        Parameters
        ----------
        x : Tensor, shape (batch, terms, n_in)
        directions : Tensor, shape (batch, terms, rows, n_in)
            What the gradient is multiplied by.

        Returns
        -------
        tuple of Tensor, one for each of ``parameters()``, shape (batch, rows, size of the parameter), summed over the terms
        """
        layers, shape = self.affine, x.shape[:-1]
        flat = directions.flatten(-4, -3)
        activity, moved, slopes, bends = [x.flatten(-3, -2)], [flat], [], []
        for layer in layers[:-1]:
            before, push = affine(activity[-1], layer.weight.mT, layer.bias), through(moved[-1], layer.weight.mT)
            activity.append(self.function(before))
            slope = self.slope(before, activity[-1])
            moved.append(push * slope.unsqueeze(-2))
            slopes.append(slope)
            bends.append(push * self.curvature(before, activity[-1]).unsqueeze(-2))
        back, turned = x.new_ones(*activity[0].shape[:-1], 1), flat.new_zeros(*flat.shape[:-1], 1)
        by_layers: list[Tensor] = []
        for number in range(len(layers) - 1, -1, -1):
            by_bias = turned.view(*shape, *turned.shape[-2:])
            by_weight = summed_products(by_bias, activity[number].view(*shape, -1))
            by_weight = by_weight + turned_products(back.view(*shape, -1), moved[number].view(*shape, *moved[number].shape[-2:]))
            by_layers = [by_weight, by_bias.sum(-3), *by_layers]
            if number:
                back = back @ layers[number].weight
                turned = through(turned, layers[number].weight) * slopes[number - 1].unsqueeze(-2) + back.unsqueeze(-2) * bends[number - 1]
                back = back * slopes[number - 1]
        return directions.sum(-3), *by_layers

    def hessian(self, x: Tensor) -> Tensor:
        """Second derivative of a scalar network (n_out = 1) at each x, shape (batch, n_in, n_in)."""
        layers = self.affine
        pushes: list[Tensor] = []
        slopes: list[Tensor] = []
        bends: list[Tensor] = []
        activity = x
        for layer in layers[:-1]:
            before, turned = affine(activity, layer.weight.mT, layer.bias), layer.weight.mT
            whole = turned.unsqueeze(-3).expand(*x.shape[:-1], -1, -1)
            push = through(pushes[-1] * slopes[-1].unsqueeze(-2), turned) if pushes else whole
            activity = self.function(before)
            slope = self.slope(before, activity)
            pushes.append(push)
            slopes.append(slope)
            bends.append(self.curvature(before, activity))
        back, out = layers[-1].weight.expand(*x.shape[:-1], -1), x.new_zeros(*x.shape, x.shape[-1])
        for number in range(len(slopes) - 1, -1, -1):
            out = out + (pushes[number] * (back * bends[number]).unsqueeze(-2)) @ pushes[number].mT
            back = (back * slopes[number]) @ layers[number].weight
        return out

    def penalty_groups(self, prefix: str) -> list[list[list[str]]]:
        """Name the parameters of each hidden layer, and then those of what is added up, the network and the linear part.

        The linear part is not left free: a law that no data pins down bends back to standing still, where a free one runs away. Neither
        is it held more tightly than the network, so that a record of nearly linear motion is explained by a linear law. `prefix` leads
        each name.
        """
        *hidden, last = [[f"{prefix}.layers.{k}.weight", f"{prefix}.layers.{k}.bias"] for k in range(len(self.layers))]
        return [*([group] for group in hidden), [last, [f"{prefix}.linear.weight"]]]
