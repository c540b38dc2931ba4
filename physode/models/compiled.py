"""A learned field and its tangent in plain numpy, in the units of the record: what long integrations call millions of times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from physode.fields.base import AbstractField
from physode.fields.first_order import FirstOrderField
from physode.fields.mlp import LinearPlusMLP
from physode.fields.second_order import SecondOrderField
from physode.models.scaling import Scaling

__all__ = ["ACTIVATIONS", "CompiledField", "compile_field"]

Array = NDArray[np.float64]
Activation = Callable[[Array], Array]

_BLOCK: Final = 256  # states and tangents that go through the network together: more of them leave the cache and take twice as long


def _softplus(a: Array) -> Array:
    return np.asarray(np.where(a > 20, a, np.log1p(np.exp(np.minimum(a, 20)))))  # as torch does it


def _silu(a: Array) -> Array:
    return np.asarray(a * expit(a))


def _over_tanh(a: Array) -> Array:
    np.tanh(a, out=a)
    slope: Array = a * a
    np.subtract(1, slope, out=slope)
    return slope


def _over_softplus(a: Array) -> Array:
    slope = np.asarray(expit(a))
    a[...] = _softplus(a)
    return slope


def _over_silu(a: Array) -> Array:
    gate = np.asarray(expit(a))
    a *= gate
    return np.asarray(gate + a * (1 - gate))


def _over_sine(a: Array) -> Array:
    slope: Array = np.cos(a)
    np.sin(a, out=a)
    return slope


ACTIVATIONS: Final[dict[str, tuple[Activation, Activation]]] = {
    "tanh": (np.tanh, _over_tanh),
    "softplus": (_softplus, _over_softplus),
    "silu": (_silu, _over_silu),
    "sine": (np.sin, _over_sine),
}
"""Those of `physode.fields.mlp.ACTIVATIONS`: one gives the value; the other overwrites its argument by it and gives the slope."""


@dataclass(frozen=True)
class CompiledField:
    """dz/dt = offset + (z - mean) A + MLP(z - mean), with all scales folded into the weights.

    Attributes
    ----------
    mean, offset : ndarray, shape (n_states,)
    hidden : tuple of (weight, bias)
        Shapes (n_in, n_out) and (n_out,).
    last : ndarray, shape (n_hidden, n_states)
    skip : ndarray, shape (n_states, n_states)
    activation : str
        A key of `ACTIVATIONS`.
    """

    mean: Array
    offset: Array
    hidden: tuple[tuple[Array, Array], ...]
    last: Array
    skip: Array
    activation: str

    def rhs(self, z: Array) -> Array:
        """dz/dt at states of shape (batch, n_states)."""
        if len(z) > _BLOCK:
            return np.concatenate([self.rhs(z[start : start + _BLOCK]) for start in range(0, len(z), _BLOCK)])
        activate = ACTIVATIONS[self.activation][0]
        centred = out = z - self.mean
        for weight, bias in self.hidden:
            out = out @ weight
            out += bias
            out = activate(out)
        slope: Array = out @ self.last
        slope += centred @ self.skip
        slope += self.offset
        return slope

    def rhs_and_jvp(self, z: Array, v: Array) -> tuple[Array, Array]:
        """dz/dt, and its derivatives in the directions v of shape (batch, k, n_states), from the same activations."""
        n = max(1, _BLOCK // (v.shape[1] + 1))
        if len(z) > n:
            blocks = [self.rhs_and_jvp(z[start : start + n], v[start : start + n]) for start in range(0, len(z), n)]
            slopes, tangents = zip(*blocks, strict=True)
            return np.concatenate(slopes), np.concatenate(tangents)
        overwrite = ACTIVATIONS[self.activation][1]
        shape = (v.shape[1] + 1, *z.shape)
        stacked = np.empty(shape)  # the states, then their tangents: one product with the weights for all
        np.subtract(z, self.mean, out=stacked[0])
        stacked[1:] = v.swapaxes(0, 1)
        rows = out = stacked.reshape(-1, shape[2])
        for weight, bias in self.hidden:
            out = out @ weight
            layer = out.reshape(shape[0], shape[1], -1)
            state = layer[0]
            state += bias
            layer[1:] *= overwrite(state)
        out = out @ self.last
        out += rows @ self.skip
        stacked = out.reshape(shape)
        return stacked[0] + self.offset, stacked[1:].swapaxes(0, 1)

    def divergence(self, z: Array) -> Array:
        """Trace of the Jacobian, shape (batch,); for up to two hidden layers at the cost of `rhs`."""
        n = len(self.mean)
        if len(self.hidden) > 2:
            return np.asarray(np.einsum("bii->b", self.rhs_and_jvp(z, np.broadcast_to(np.eye(n), (len(z), n, n)))[1]))
        overwrite = ACTIVATIONS[self.activation][1]
        out, slopes = z - self.mean, []
        for weight, bias in self.hidden:
            out = out @ weight + bias
            slopes.append(overwrite(out))
        trace = np.full(len(z), self.skip.trace())
        if not slopes:
            trace += self.last.trace()
        elif len(slopes) == 1:
            trace += slopes[0] @ self._loop
        else:
            trace += np.einsum("bi,bi->b", slopes[0] @ self._loop, slopes[1])
        return trace

    @cached_property
    def _loop(self) -> Array:
        """From hidden units out, back in as states, and on to the same layer or the next: what the slopes weigh in the trace."""
        back = (self.last @ self.hidden[0][0]).T
        return back.diagonal() if len(self.hidden) == 1 else back * self.hidden[1][0]


def compile_field(field: AbstractField, scaling: Scaling) -> CompiledField | None:
    """Copy a learned field from torch into numpy, or return None where it is no perceptron of the state alone (driven, Hamiltonian).

    Parameters
    ----------
    field : AbstractField
        In scaled units; of whatever precision, the copy is float64.
    scaling : Scaling
        From scaled units to the record's.

    Returns
    -------
    CompiledField or None
    """
    if type(field) not in (FirstOrderField, SecondOrderField) or field.n_inputs:  # a subclass may compute something else
        return None
    net, n = cast(LinearPlusMLP, field.net), field.n_states
    *hidden, (last, bias) = [(_array(layer.weight).T, _array(layer.bias)) for layer in net.affine]
    kinematic = n - net.affine[-1].out_features  # states whose slopes are other states: dx/dt = v
    wide_last, wide_skip, wide_bias = np.zeros((len(last), n)), np.zeros((n, n)), np.zeros(n)
    wide_last[:, kinematic:], wide_skip[:, kinematic:], wide_bias[kinematic:] = last, _array(net.linear.weight).T, bias
    wide_skip[n - kinematic :, :kinematic] = np.eye(kinematic)
    shrink, speed = 1 / scaling.scale[:, None], scaling.scale / scaling.time_scale
    if hidden:
        hidden[0] = (hidden[0][0] * shrink, hidden[0][1])
    else:
        wide_last *= shrink
    weights = tuple((np.ascontiguousarray(weight), bias) for weight, bias in hidden)
    return CompiledField(scaling.mean, wide_bias * speed, weights, wide_last * speed, wide_skip * shrink * speed, net.activation)


def _array(tensor: Tensor) -> Array:
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float64)
