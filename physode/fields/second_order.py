"""d2x/dt2 = f(x, dx/dt, u): the second-order neural ODE of Norcliffe et al. 2020."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.fields.mlp import LinearPlusMLP

__all__ = ["SecondOrderField"]


class SecondOrderField(AbstractField):
    """State z = [x, v] with dx/dt = v and dv/dt = A [x, v, u] + MLP([x, v, u]).

    Parameters
    ----------
    n_positions : int
        Dimension of x; the state has twice as many components.
    n_inputs : int
        Dimension of u.
    hidden : sequence of int
        Widths of the hidden layers.
    activation : str
        A key of `physode.fields.mlp.ACTIVATIONS`.
    """

    second_order = True

    def __init__(self, n_positions: int, n_inputs: int, hidden: Sequence[int], activation: str) -> None:
        super().__init__()
        self.n_positions, self.n_states, self.n_inputs = n_positions, 2 * n_positions, n_inputs
        self.net = LinearPlusMLP(self.n_states + n_inputs, n_positions, hidden, activation)

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Evaluate d[x, v]/dt; see `AbstractField.forward`."""
        return self._rates(self.net.forward)(t, z, u)

    def closure(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """See `AbstractField.closure`."""
        return self._rates(self.net.closure())

    def _rates(self, net: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        n = self.n_positions
        if self.n_inputs:
            return lambda t, z, u: torch.cat([z[..., n:], net(torch.cat([z, u], dim=-1))], dim=-1)
        return lambda t, z, u: torch.cat([z[..., n:], net(z)], dim=-1)

    def perceptron(self, evaluations: int) -> LinearPlusMLP | None:
        """See `AbstractField.perceptron`."""
        return self.net if len(self.net.layers) > 1 and self.n_members is None else None

    @torch.no_grad()
    def pull_back(self, t: Tensor, z: Tensor, u: Tensor, cotangents: Tensor) -> tuple[Tensor, ...]:
        """Differentiate by hand; see `AbstractField.pull_back`."""
        return self.net.pull_back(torch.cat([z, u], dim=-1), cotangents[..., self.n_positions :])

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Differentiate by hand; see `AbstractField.state_jacobian`."""
        by_input = self.net.input_jacobian(torch.cat([z, u], dim=-1))
        out = by_input.new_empty(*z.shape, self.n_states)
        n = self.n_positions
        out[..., :n, :] = 0.0
        out[..., range(n), range(n, 2 * n)] = 1.0
        out[..., n:, :] = by_input[..., : self.n_states]
        return out

    def penalty_groups(self) -> list[list[list[str]]]:
        """See `AbstractField.penalty_groups`."""
        return self.net.penalty_groups("net")
