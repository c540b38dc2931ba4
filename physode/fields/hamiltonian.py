"""dq/dt = dH/dp, dp/dt = -dH/dq: the Hamiltonian neural network of Greydanus et al. 2019."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from physode.fields.base import AbstractField
from physode.fields.mlp import LinearPlusMLP, summed_products

__all__ = ["HamiltonianField", "turn"]


class HamiltonianField(AbstractField):
    """State z = [q, p]; H = z'Qz/2 + c'z + MLP(z), and inputs push the momenta, dp/dt = -dH/dq + G u.

    Parameters
    ----------
    n_positions : int
        Dimension of q; the state has twice as many components.
    n_inputs : int
        Dimension of u.
    hidden : sequence of int
        Widths of the hidden layers of the MLP.
    activation : str
        A key of `physode.fields.mlp.ACTIVATIONS`.
    separable : bool, default False
        Whether H = V(q) + T(p), with a network for each.
    """

    def __init__(self, n_positions: int, n_inputs: int, hidden: Sequence[int], activation: str, *, separable: bool = False) -> None:
        super().__init__()
        self.n_positions, self.n_states, self.n_inputs = n_positions, 2 * n_positions, n_inputs
        self.separable = separable
        sizes = [n_positions, n_positions] if separable else [self.n_states]
        self.nets = nn.ModuleList(LinearPlusMLP(size, 1, hidden, activation) for size in sizes)
        self.quadratic = nn.ParameterList(nn.Parameter(torch.zeros(size, size)) for size in sizes)
        self.coupling = nn.Parameter(torch.zeros(n_positions, n_inputs))

    def hamiltonian(self, z: Tensor) -> Tensor:
        """Learned energy H(z), shape (batch,), or (members, batch); defined up to a constant."""
        parts = [0.5 * (part @ matrix * part).sum(-1) + net(part)[..., 0] for part, net, matrix in self._terms(z)]
        return torch.stack(parts).sum(0)

    def gradient(self, z: Tensor) -> Tensor:
        """dH/dz, shape (batch, n_states)."""
        return self._gradient_closure()(z)

    def _gradient_closure(self) -> Callable[[Tensor], Tensor]:
        nets = [net.gradient_closure() for net in self._networks]
        symmetric = [0.5 * (matrix + matrix.mT) for matrix in self.quadratic]
        if not self.separable:
            plus = torch.addmm if symmetric[0].ndim == 2 else torch.baddbmm
            return lambda z: plus(nets[0](z), z, symmetric[0])
        n = self.n_positions
        return lambda z: torch.cat(
            [z[..., :n] @ symmetric[0] + nets[0](z[..., :n]), z[..., n:] @ symmetric[1] + nets[1](z[..., n:])], dim=-1
        )

    @torch.no_grad()
    def pull_back(self, t: Tensor, z: Tensor, u: Tensor, cotangents: Tensor) -> tuple[Tensor, ...]:
        """Differentiate by hand; see `AbstractField.pull_back`."""
        n = self.n_positions
        forces = cotangents[..., n:]
        directions = torch.cat([-forces, cotangents[..., :n]], dim=-1)
        along = directions.tensor_split([n], dim=-1) if self.separable else [directions]
        by_nets, by_quadratics = list[Tensor](), list[Tensor]()
        for (part, net, matrix), direction in zip(self._terms(z), along, strict=True):
            by_nets += net.gradient_pull_back(part, direction)
            by_matrix = summed_products(direction, part)
            by_matrix = by_matrix.view(*by_matrix.shape[:-1], *matrix.shape[-2:])
            by_quadratics.append((0.5 * (by_matrix + by_matrix.mT)).flatten(-2))
        return summed_products(forces, u), *by_nets, *by_quadratics

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Differentiate by hand; see `AbstractField.state_jacobian`."""
        hessians = [net.hessian(part) + 0.5 * (matrix + matrix.mT).unsqueeze(-3) for part, net, matrix in self._terms(z)]
        return turn(_block_diagonal(hessians), self.n_positions, dim=-2)

    def _terms(self, z: Tensor) -> Iterator[tuple[Tensor, LinearPlusMLP, Tensor]]:
        """What each term of H depends on, with its network and its quadratic form."""
        parts = [z[..., : self.n_positions], z[..., self.n_positions :]] if self.separable else [z]
        return zip(parts, self._networks, self.quadratic, strict=True)

    @property
    def _networks(self) -> tuple[LinearPlusMLP, ...]:
        return tuple(cast(LinearPlusMLP, net) for net in self.nets)

    def penalty_groups(self) -> list[list[list[str]]]:
        """See `AbstractField.penalty_groups`."""
        groups = []
        for k, net in enumerate(self._networks):
            *hidden, (last, linear) = net.penalty_groups(f"nets.{k}")
            groups += [*hidden, [last, [*linear, f"quadratic.{k}"]]]
        return groups

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Evaluate d[q, p]/dt; see `AbstractField.forward`."""
        return self.closure()(t, z, u)

    def closure(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """See `AbstractField.closure`."""
        gradient, n, coupling = self._gradient_closure(), self.n_positions, self.coupling

        def evaluate(t: Tensor, z: Tensor, u: Tensor) -> Tensor:
            slope = gradient(z)
            force = -slope[..., :n]
            return torch.cat([slope[..., n:], force + u @ coupling.mT if self.n_inputs else force], dim=-1)

        return evaluate


def turn(gradient: Tensor, n: int, dim: int = -1) -> Tensor:
    """From dH/d[q, p] to d[q, p]/dt along a dimension, of which the first n are positions."""
    by_position, by_momentum = gradient.tensor_split([n], dim=dim)
    return torch.cat([by_momentum, -by_position], dim=dim)


def _block_diagonal(blocks: list[Tensor]) -> Tensor:
    """Join (..., rows, columns) blocks along the diagonal."""
    if len(blocks) == 1:
        return blocks[0]
    first, second = blocks
    upper = torch.cat([first, first.new_zeros(*first.shape[:-1], second.shape[-1])], dim=-1)
    lower = torch.cat([second.new_zeros(*second.shape[:-1], first.shape[-1]), second], dim=-1)
    return torch.cat([upper, lower], dim=-2)
