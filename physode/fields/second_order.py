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
        return self.closure()(t, z, u)

    def closure(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """See `AbstractField.closure`."""
        net, n = self.net.closure(), self.n_positions
        if self.n_inputs:
            return lambda t, z, u: torch.cat([z[..., n:], net(torch.cat([z, u], dim=-1))], dim=-1)
        return lambda t, z, u: torch.cat([z[..., n:], net(z)], dim=-1)

    def perceptron(self, evaluations: int) -> LinearPlusMLP | None:
        """See `AbstractField.perceptron`."""
        return self.net if len(self.net.layers) > 1 else None

    def jacobians(self, t: Tensor, z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Differentiate by hand; see `AbstractField.jacobians`."""
        by_input, by_parameters = self.net.jacobians(torch.cat([z, u], dim=-1))
        return self._with_kinematics(by_input), torch.cat([torch.zeros_like(by_parameters), by_parameters], dim=-2)

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Differentiate by hand; see `AbstractField.state_jacobian`."""
        return self._with_kinematics(self.net.input_jacobian(torch.cat([z, u], dim=-1)))

    def _with_kinematics(self, by_input: Tensor) -> Tensor:
        """Put the rows of dx/dt = v above those of the acceleration."""
        n = self.n_positions
        rows = by_input.new_zeros(*by_input.shape[:-2], n, self.n_states)
        rows[..., n:] = torch.eye(n, dtype=by_input.dtype, device=by_input.device)
        return torch.cat([rows, by_input[..., : self.n_states]], dim=-2)

    def penalty_groups(self) -> list[list[str]]:
        """See `AbstractField.penalty_groups`."""
        return self.net.penalty_groups("net")
