"""A Hamiltonian field in the logarithms of positive states, as the equations of populations and chemistry are written."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from physode.fields.base import AbstractField
from physode.fields.hamiltonian import HamiltonianField, turn

__all__ = ["LogarithmicField"]

FLOOR = 1e-6
"""Share of its mean below which a state no longer moves, so that a step that overshoots zero costs much but stays finite."""


class LogarithmicField(AbstractField):
    """dz/dt = (z + shift) dw/dt / spread, where w = spread log(1 + z / shift) moves by the Hamiltonian k'z + H(w).

    The state stays in scaled units, as it is measured, so noise stays additive in it; only the law is written in logarithms. Terms
    of first order, k'z and c'w, are the energy of Lotka and Volterra. They are the law here, as a linear one is in other fields, and all
    else in H is as good as absent until the record asks for it.

    Parameters
    ----------
    inner : HamiltonianField
        Gives H.

    Attributes
    ----------
    shift : Tensor, shape (n_states,)
        Mean of each state over its scale, positive; scaled states are x / scale - shift.
    spread : Tensor, shape (n_states,)
        Unit of each logarithm; equal to `shift` it makes w equal to z near the mean.
    growth : Parameter, shape (n_states,)
        The factors k.
    """

    first_precision = 1e8
    shift: Tensor
    spread: Tensor

    def __init__(self, inner: HamiltonianField) -> None:
        super().__init__()
        self.inner = inner
        self.n_states, self.n_inputs = inner.n_states, inner.n_inputs
        self.growth = nn.Parameter(torch.zeros(inner.n_states))
        self.register_buffer("shift", torch.ones(inner.n_states))
        self.register_buffer("spread", torch.ones(inner.n_states))

    def logarithms(self, z: Tensor) -> Tensor:
        """Coordinates w of the inner field, shape of z."""
        return self.spread * (1 + z / self.shift).clamp(min=FLOOR).log()

    def hamiltonian(self, z: Tensor) -> Tensor:
        """Learned energy of scaled states, shape (batch,), or (members, batch); defined up to a constant."""
        return self.inner.hamiltonian(self.logarithms(z)) + (z * self.growth.unsqueeze(-2)).sum(-1)

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Evaluate dz/dt; see `AbstractField.forward`."""
        return self.closure()(t, z, u)

    def closure(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """See `AbstractField.closure`."""
        inner, growth, n = self.inner.closure(), self.growth.unsqueeze(-2), self.inner.n_positions

        def evaluate(t: Tensor, z: Tensor, u: Tensor) -> Tensor:
            rate = self._rate(z)
            return rate * (inner(t, self.logarithms(z), u) + turn(growth * rate, n))

        return evaluate

    def pull_back(self, t: Tensor, z: Tensor, u: Tensor, cotangents: Tensor) -> tuple[Tensor, ...]:
        """Differentiate by the chain rule; see `AbstractField.pull_back`."""
        rate = self._rate(z).unsqueeze(-2)
        of_logarithms = cotangents * rate
        by_growth = -turn(of_logarithms, self.inner.n_positions) * rate
        return by_growth.sum(-3), *self.inner.pull_back(t, self.logarithms(z), u, of_logarithms)

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Differentiate by the chain rule; see `AbstractField.state_jacobian`."""
        w, rate, n = self.logarithms(z), self._rate(z), self.inner.n_positions
        moves = z + self.shift > FLOOR * self.shift
        push = self.growth.unsqueeze(-2) * rate
        slope = self.inner(t, w, u) + turn(push, n)
        by_logarithms = self.inner.state_jacobian(t, w, u) + turn(torch.diag_embed(push / self.spread), n, dim=-2)
        turned = rate.unsqueeze(-1) * by_logarithms / rate.unsqueeze(-2)
        return (turned + torch.diag_embed(slope / self.spread)) * moves.unsqueeze(-2)

    def _rate(self, z: Tensor) -> Tensor:
        """dz/dw."""
        return (z + self.shift).maximum(FLOOR * self.shift) / self.spread

    def penalty_groups(self) -> list[list[list[str]]]:
        """See `AbstractField.penalty_groups`: quadratic forms and networks together bend what is of first order in z and w."""
        hidden, bends, law = list[list[list[str]]](), list[str](), ["growth"]
        for *first, last in ([[f"inner.{name}" for name in group] for group in ladder] for ladder in self.inner.penalty_groups()):
            if not first:
                hidden.append([last])
                continue
            bends += [*first[0], *(name for name in last if "quadratic" in name)]
            law += [name for name in last if "quadratic" not in name]
        return [*hidden, [bends, law]]
