"""dz/dt = f(z, u): the neural ODE of Chen et al. 2018, and with extra components the augmented one of Dupont et al. 2019."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.fields.mlp import LinearPlusMLP

__all__ = ["FirstOrderField"]


class FirstOrderField(AbstractField):
    """dz/dt = A [z, u] + MLP([z, u]).

    Parameters
    ----------
    n_states : int
        Dimension of z; augmented components count.
    n_inputs : int
        Dimension of u.
    hidden : sequence of int
        Widths of the hidden layers.
    activation : str
        A key of `physode.fields.mlp.ACTIVATIONS`.
    """

    def __init__(self, n_states: int, n_inputs: int, hidden: Sequence[int], activation: str) -> None:
        super().__init__()
        self.n_states, self.n_inputs = n_states, n_inputs
        self.net = LinearPlusMLP(n_states + n_inputs, n_states, hidden, activation)

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Evaluate dz/dt; see `AbstractField.forward`."""
        return self._rates(self.net.forward)(t, z, u)

    def closure(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """See `AbstractField.closure`."""
        return self._rates(self.net.closure())

    def _rates(self, net: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        if self.n_inputs:
            return lambda t, z, u: net(torch.cat([z, u], dim=-1))
        return lambda t, z, u: net(z)

    def perceptron(self, evaluations: int) -> LinearPlusMLP | None:
        """See `AbstractField.perceptron`."""
        return self.net if len(self.net.layers) > 1 and self.n_members is None else None

    @torch.no_grad()
    def pull_back(self, t: Tensor, z: Tensor, u: Tensor, cotangents: Tensor) -> tuple[Tensor, ...]:
        """Differentiate by hand; see `AbstractField.pull_back`."""
        return self.net.pull_back(torch.cat([z, u], dim=-1), cotangents)

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Differentiate by hand; see `AbstractField.state_jacobian`."""
        by_input: Tensor = self.net.input_jacobian(torch.cat([z, u], dim=-1))
        return by_input[..., : self.n_states]

    def penalty_groups(self) -> list[list[list[str]]]:
        """See `AbstractField.penalty_groups`."""
        return self.net.penalty_groups("net")
