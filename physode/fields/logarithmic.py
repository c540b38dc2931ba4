"""A field that is learned in the logarithms of positive states, as the equations of populations and chemistry are written."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from physode.fields.base import AbstractField

__all__ = ["LogarithmicField"]

FLOOR = 1e-6
"""Share of its mean below which a state no longer moves, so that a step that overshoots zero costs much but stays finite."""


class LogarithmicField(AbstractField):
    """dz/dt = (z + shift) g(w) / spread, with another field dw/dt = g(w) in w = spread log(1 + z / shift).

    The state stays in scaled units, as it is measured, so noise stays additive in it; only the law is written in logarithms.

    Parameters
    ----------
    inner : AbstractField
        The field g.

    Attributes
    ----------
    shift : Tensor, shape (n_states,)
        Mean of each state over its scale, positive; scaled states are x / scale - shift.
    spread : Tensor, shape (n_states,)
        Unit of each logarithm; equal to `shift` it makes w equal to z near the mean.
    """

    shift: Tensor
    spread: Tensor

    def __init__(self, inner: AbstractField) -> None:
        super().__init__()
        self.inner = inner
        self.n_states, self.n_inputs = inner.n_states, inner.n_inputs
        self.register_buffer("shift", torch.ones(inner.n_states))
        self.register_buffer("spread", torch.ones(inner.n_states))

    def logarithms(self, z: Tensor) -> Tensor:
        """Coordinates w of the inner field, shape of z."""
        return self.spread * (1 + z / self.shift).clamp(min=FLOOR).log()

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Evaluate dz/dt; see `AbstractField.forward`."""
        return self.closure()(t, z, u)

    def closure(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """See `AbstractField.closure`."""
        inner = self.inner.closure()
        return lambda t, z, u: self._rate(z) * inner(t, self.logarithms(z), u)

    def pull_back(self, t: Tensor, z: Tensor, u: Tensor, cotangents: Tensor) -> tuple[Tensor, ...]:
        """Differentiate by the chain rule; see `AbstractField.pull_back`."""
        return self.inner.pull_back(t, self.logarithms(z), u, cotangents * self._rate(z).unsqueeze(-2))

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Differentiate by the chain rule; see `AbstractField.state_jacobian`."""
        w = self.logarithms(z)
        return self._by_state(z, self.inner(t, w, u), self.inner.state_jacobian(t, w, u))

    def _rate(self, z: Tensor) -> Tensor:
        """dz/dw."""
        return (z + self.shift).maximum(FLOOR * self.shift) / self.spread

    def _by_state(self, z: Tensor, slope: Tensor, by_logarithms: Tensor) -> Tensor:
        rate, moves = self._rate(z), z + self.shift > FLOOR * self.shift
        turned = rate.unsqueeze(-1) * by_logarithms / rate.unsqueeze(-2)
        return (turned + torch.diag_embed(slope / self.spread)) * moves.unsqueeze(-2)

    def penalty_groups(self) -> list[list[list[str]]]:
        """See `AbstractField.penalty_groups`."""
        return [[[f"inner.{name}" for name in group] for group in ladder] for ladder in self.inner.penalty_groups()]
