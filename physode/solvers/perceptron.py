"""A perceptron evaluated many times in numpy and differentiated by hand, all weight gradients in one product a layer.

A small network costs torch more in calls than in arithmetic. Here every evaluation fills its place in one buffer a layer; the reverse
pass turns the buffers into the errors of backpropagation in place (Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCALARS", "Array", "Perceptron", "Tape"]

Array = NDArray[Any]


def _tanh_slope(before: Array, after: Array) -> None:
    np.multiply(after, after, out=before)
    np.subtract(1.0, before, out=before)


def _sigmoid(before: Array) -> Array:
    share: Array = 0.5 * (1.0 + np.tanh(0.5 * before))
    return share


def _silu_slope(before: Array, after: Array) -> None:
    share = _sigmoid(before)
    np.add(share, after * (1.0 - share), out=before)


SCALARS: dict[str, tuple[Callable[[Array, Array], object], Callable[[Array, Array], object]]] = {
    "tanh": (np.tanh, _tanh_slope),
    "softplus": (
        lambda before, after: np.logaddexp(0.0, before, out=after),
        lambda before, after: np.subtract(1.0, np.exp(-after), out=before),
    ),
    "silu": (lambda before, after: np.multiply(before, _sigmoid(before), out=after), _silu_slope),
    "sine": (np.sin, lambda before, after: np.cos(before, out=before)),
}
"""The activations of `physode.fields.mlp.ACTIVATIONS` from buffer to buffer, and their slopes, which overwrite the first buffer."""

CONSTANT = 20.0
"""What goes into a hidden unit of constant activity (1 for tanh); it carries the next layer's bias, so that adding it is no call."""


@dataclass(frozen=True)
class Perceptron:
    """dz/dt = last h + skip [z, u, 1], where h is what the hidden layers make of [z, u, 1]; every layer ends with a constant unit.

    Attributes
    ----------
    hidden : tuple of ndarray, each of shape (width + 1, width before + 1)
    last : ndarray, shape (n_states, width + 1)
    skip : ndarray, shape (n_states, n_states + n_inputs + 1)
    activation : str
        A key of `SCALARS`.
    constant : float
        Activity of the constant units.
    """

    hidden: tuple[Array, ...]
    last: Array
    skip: Array
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
        constant = np.full(1, CONSTANT, linear.dtype)
        SCALARS[activation][0](constant, constant)
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
        return cls(tuple(hidden), last, skip, activation, carried)


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
        widths = [len(weight) for weight in net.hidden]
        self.arguments = np.ones((held, batch, net.skip.shape[1]), dtype)
        self.errors = np.empty((held, batch, len(net.last)), dtype)
        # Ahead of each activation; later its slope, later the error.
        self.before = [np.empty((held, batch, width), dtype) for width in widths]
        self.after = [np.empty((held, batch, width), dtype) for width in widths]
        self.scratch = [np.empty((batch, width), dtype) for width in widths]
        self.side = np.empty((batch, len(net.last)), dtype)
        layers = [list(zip(*pair, strict=True)) for pair in zip(self.before, self.after, strict=True)]
        views = list(zip(self.arguments, *layers, strict=True))
        self.views = views if keep else views * calls
        backward = [list(zip(before, [scratch] * held, strict=True)) for before, scratch in zip(self.before, self.scratch, strict=True)]
        self.backward = list(zip(self.errors, *reversed(backward), strict=True))

    @property
    def bytes(self) -> int:
        """Memory of the buffers."""
        return sum(buffer.nbytes for buffer in (self.arguments, self.errors, *self.before, *self.after))

    def load(self, net: Perceptron) -> None:
        """Take the weights to evaluate with."""
        self.net = net
        self.function, self.slope = SCALARS[net.activation]
        self.transposed = [np.ascontiguousarray(weight.T) for weight in net.hidden]
        self.last, self.skip = np.ascontiguousarray(net.last.T), np.ascontiguousarray(net.skip.T)

    def evaluate(self, number: int, state: Array, inputs: Array | None, out: Array) -> None:
        """Write dz/dt at states of shape (batch, n_states) to `out`, and remember it as evaluation `number`."""
        arguments, *layers = self.views[number]
        n = state.shape[1]
        arguments[:, :n] = state
        if inputs is not None:
            arguments[:, n:-1] = inputs
        entering = arguments
        for (before, after), weight in zip(layers, self.transposed, strict=True):
            np.matmul(entering, weight, out=before)
            self.function(before, after)
            entering = after
        np.matmul(entering, self.last, out=out)
        np.matmul(arguments, self.skip, out=self.side)
        np.add(out, self.side, out=out)

    def turn(self) -> None:
        """Get ready for the reverse pass: replace what went into the activations by their slopes."""
        for before, after in zip(self.before, self.after, strict=True):
            self.slope(before, after)
        net, n = self.net, self.errors.shape[-1]
        self.upward = [net.last, *reversed(net.hidden[1:])]
        self.by_state, self.by_skip = np.ascontiguousarray(net.hidden[0][:, :n]), np.ascontiguousarray(net.skip[:, :n])

    def pull_back(self, number: int, error: Array, out: Array) -> None:
        """Write the gradient by the states of one evaluation to `out`, given that by dz/dt; each evaluation once, after `turn`."""
        kept, *layers = self.backward[number]
        kept[...] = error
        np.matmul(error, self.by_skip, out=self.side)
        for (slope, scratch), weight in zip(layers, self.upward, strict=True):
            np.matmul(error, weight, out=scratch)
            np.multiply(slope, scratch, out=slope)
            error = slope
        np.matmul(error, self.by_state, out=out)
        np.add(out, self.side, out=out)

    def weight_gradients(self) -> tuple[list[tuple[Array, Array]], Array]:
        """Sum over all evaluations, after each was pulled back: by every layer's weight and bias, and by the linear part."""
        arguments, rates = (buffer.reshape(-1, buffer.shape[-1]) for buffer in (self.arguments, self.errors))
        entering = [arguments, *(buffer.reshape(-1, buffer.shape[-1]) for buffer in self.after)]
        errors = [*(buffer.reshape(-1, buffer.shape[-1])[:, :-1] for buffer in self.before), rates]
        sums = [error.T @ into for error, into in zip(errors, entering, strict=True)]
        carried = [1.0, *(self.net.constant for _ in self.after)]
        return [(whole[:, :-1], whole[:, -1] / size) for whole, size in zip(sums, carried, strict=True)], rates.T @ arguments[:, :-1]
