"""A perceptron evaluated many times in numpy and differentiated by hand, all weight gradients in one product a layer.

A small network costs torch more in calls than in arithmetic. Here every evaluation fills its place in one buffer a layer; the reverse
pass turns the buffers into the errors of backpropagation in place (Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["SCALARS", "Array", "Perceptron", "Scalar", "Tape"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Scalar:
    """An activation f(a) = outer g(inner a) + shift; the numbers go into the weights, so that g may be what is computed fastest.

    Attributes
    ----------
    value : callable
        Writes g of a tensor to `out`: torch's functions cost half of numpy's, or less.
    slope : callable
        Overwrites its first argument, that of g, by the slope of g; the second is g's value; both are arrays.
    inner, outer, shift : float
    """

    value: Callable[..., object]
    slope: Callable[[Array, Array], object]
    inner: float = 1.0
    outer: float = 1.0
    shift: float = 0.0


def _sigmoid_slope(before: Array, after: Array) -> None:
    np.subtract(1.0, after, out=before)
    np.multiply(after, before, out=before)


def _silu_slope(before: Array, after: Array) -> None:
    share = 1.0 / (1.0 + np.exp(-before))
    np.add(share, after * (1.0 - share), out=before)


SCALARS: dict[str, Scalar] = {
    "tanh": Scalar(torch.sigmoid, _sigmoid_slope, 2.0, 2.0, -1.0),
    "softplus": Scalar(
        lambda a, out: torch.logaddexp(a, a.new_zeros(()), out=out),
        lambda before, after: np.subtract(1.0, np.exp(-after), out=before),
    ),
    "silu": Scalar(lambda a, out: torch.mul(a, torch.sigmoid(a), out=out), _silu_slope),
    "sine": Scalar(torch.sin, lambda before, after: np.cos(before, out=before)),
}
"""The activations of `physode.fields.mlp.ACTIVATIONS`."""

CONSTANT = 20.0
"""What goes into a hidden unit of constant activity; it carries the next layer's bias, so that adding it is no call."""


@dataclass(frozen=True)
class Perceptron:
    """dz/dt = last h + skip [z, u, 1], where h is what the hidden layers make of [z, u, 1]; every layer has a constant unit.

    The linear part `skip` is computed together with the first layer, as its last rows; what the activation makes of them is not used.

    Attributes
    ----------
    hidden : tuple of ndarray, each of shape (width + 1, width before + 1)
        The first has n_states rows more, `skip`, and the second (or `last`) as many columns of zeros.
    last : ndarray, shape (n_states, width + 1)
    activation : str
        A key of `SCALARS`.
    constant : float
        Activity of the constant units.
    """

    hidden: tuple[Array, ...]
    last: Array
    activation: str
    constant: float

    @classmethod
    def make(cls, layers: Sequence[tuple[Array, Array]], linear: Array, activation: str, n_states: int) -> Perceptron:
        """Bring weights into shape.

        Parameters
        ----------
        layers : sequence of (weight, bias)
            Hidden layers and the last one, at least two.
        linear : ndarray, shape (n_out, n_states + n_inputs)
            Added to the last layer.
        activation : str
        n_states : int
            If it exceeds n_out, the rates of the first components are the last components themselves, as in z = [x, dx/dt].
        """
        scalar, constant = SCALARS[activation], np.full(1, CONSTANT, linear.dtype)
        scalar.value(torch.from_numpy(constant), out=torch.from_numpy(constant))
        layers = [
            (inner * outer * weight, inner * (bias + shift * weight.sum(1)))
            for (weight, bias), (inner, outer, shift) in zip(layers, _factors(scalar, len(layers)), strict=True)
        ]
        carried, hidden = 1.0, []
        for weight, bias in layers[:-1]:
            steady = np.zeros((1, weight.shape[1] + 1), weight.dtype)
            steady[0, -1] = CONSTANT / carried
            hidden.append(np.concatenate([np.concatenate([weight, bias[:, None] / carried], axis=1), steady]))
            carried = float(constant[0])
        weight, bias = layers[-1]
        n_fixed = n_states - len(weight)
        last = np.zeros((n_states, weight.shape[1] + 1), weight.dtype)
        last[n_fixed:, :-1], last[n_fixed:, -1] = weight, bias / carried
        skip = np.zeros((n_states, linear.shape[1] + 1), weight.dtype)
        skip[n_fixed:, :-1] = linear
        skip[:n_fixed, n_states - n_fixed : n_states] = np.eye(n_fixed)
        matrices = [np.concatenate([hidden[0], skip]), *hidden[1:], last]
        matrices[1] = np.concatenate([matrices[1], np.zeros((len(matrices[1]), n_states), weight.dtype)], axis=1)
        return cls(tuple(matrices[:-1]), matrices[-1], activation, carried)


def _factors(scalar: Scalar, n_layers: int) -> list[tuple[float, float, float]]:
    """What an activation multiplies each layer's output by (inner) and its input by (outer), and what it adds to the input (shift)."""
    inner = [*[scalar.inner] * (n_layers - 1), 1.0]
    outer, shift = [1.0, *[scalar.outer] * (n_layers - 1)], [0.0, *[scalar.shift] * (n_layers - 1)]
    return list(zip(inner, outer, shift, strict=True))


class Tape:
    """Numbered evaluations of a perceptron on a batch.

    Parameters
    ----------
    net : Perceptron
        Gives the sizes.
    calls : int
        Number of evaluations.
    batch : int
    keep : bool
        Whether they are to be differentiated; if not, all share the memory of one.
    """

    def __init__(self, net: Perceptron, calls: int, batch: int, *, keep: bool) -> None:
        dtype, held = net.last.dtype, calls if keep else 1
        widths, self.n = [len(weight) for weight in net.hidden], len(net.last)
        self.arguments = np.ones((held, batch, net.hidden[0].shape[1]), dtype)
        # Ahead of each activation; later its slope, later the error. The linear part, and later the error of dz/dt, is beside the first.
        self.before = [np.empty((held, batch, width), dtype) for width in widths]
        self.after = [np.empty((held, batch, width), dtype) for width in widths]
        self.scratch = [np.empty((batch, width), dtype) for width in widths]
        tensors = [[torch.from_numpy(buffer) for buffer in buffers] for buffers in (self.before, self.after)]
        layers = [list(zip(*each, strict=True)) for each in zip(self.before, self.after, *tensors, strict=True)]
        views = list(zip(self.arguments, self.arguments[..., : self.n], self.before[0][..., -self.n :], *layers, strict=True))
        self.views = views if keep else views * calls
        backward = [list(zip(before, [scratch] * held, strict=True)) for before, scratch in zip(self.before, self.scratch, strict=True)]
        self.backward = list(zip(self.before[0][..., -self.n :], *reversed(backward), strict=True))

    @property
    def bytes(self) -> int:
        """Memory of the buffers."""
        return sum(buffer.nbytes for buffer in (self.arguments, *self.before, *self.after))

    def load(self, net: Perceptron) -> None:
        """Take the weights to evaluate with."""
        self.net = net
        self.scalar = SCALARS[net.activation]
        self.transposed = [np.ascontiguousarray(weight.T) for weight in net.hidden]
        self.last = np.ascontiguousarray(net.last.T)

    def evaluate(self, number: int, state: Array, inputs: Array | None, out: Array) -> None:
        """Write dz/dt at states of shape (batch, n_states) to `out`, and remember it as evaluation `number`."""
        entering, place, linear, *layers = self.views[number]
        activate = self.scalar.value
        place[...] = state
        if inputs is not None:
            entering[:, self.n : -1] = inputs
        for (before, after, argument, value), weight in zip(layers, self.transposed, strict=True):
            np.dot(entering, weight, out=before)
            activate(argument, out=value)
            entering = after
        np.dot(entering, self.last, out=out)
        np.add(out, linear, out=out)

    def turn(self) -> None:
        """Get ready for the reverse pass: replace what went into the activations by their slopes."""
        for before, after in zip(self.before, self.after, strict=True):
            self.scalar.slope(before, after)
        self.upward = [self.net.last, *reversed(self.net.hidden[1:])]
        self.downward = np.ascontiguousarray(self.net.hidden[0][:, : self.n])

    def pull_back(self, number: int, error: Array, out: Array) -> None:
        """Write the gradient by the states of one evaluation to `out`, given that by dz/dt; each evaluation once, after `turn`."""
        linear, *layers = self.backward[number]
        above = error
        for (slope, scratch), weight in zip(layers, self.upward, strict=True):
            np.dot(above, weight, out=scratch)
            np.multiply(slope, scratch, out=slope)
            above = slope
        linear[...] = error
        np.dot(above, self.downward, out=out)

    def weight_gradients(self) -> tuple[list[tuple[Array, Array]], Array]:
        """Sum over all evaluations, after each was pulled back: by every layer's weight and bias, and by the linear part."""
        n, sizes = self.n, [1.0, *(self.net.constant for _ in self.after)]
        entering = [buffer.reshape(-1, buffer.shape[-1]) for buffer in (self.arguments, *self.after)]
        errors = [buffer.reshape(-1, buffer.shape[-1]) for buffer in self.before]
        first, *others = [error.T @ into for error, into in zip([*errors, errors[0][:, -n:]], entering, strict=True)]
        others[0] = others[0][:, :-n]
        sums = [first[: -n - 1], *(whole[:-1] for whole in others[:-1]), others[-1]]
        by_layers = []
        for whole, size, (inner, outer, shift) in zip(sums, sizes, _factors(self.scalar, len(sums)), strict=True):
            by_bias = whole[:, -1] * (inner / size)
            by_layers.append((whole[:, :-1] * (inner * outer) + shift * by_bias[:, None], by_bias))
        return by_layers, first[-n:, :-1]
