"""dz/dt = (J - R) dH/dz + G u: energy that is passed on, spent and supplied.

Van der Schaft & Jeltsema 2014, Port-Hamiltonian systems theory: an introductory overview, doi:10.1561/2600000002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from physode.fields.base import AbstractField
from physode.fields.convex import ConvexNetwork
from physode.fields.mlp import LinearPlusMLP, summed_products, turned_products

__all__ = ["PortHamiltonianField"]


class PortHamiltonianField(AbstractField):
    """J = A - A' passes energy on, R = B B' spends it, G u supplies it, and H = |L'z|^2 / 2 + c'z + network(z) is bounded below.

    Parameters
    ----------
    n_states : int
        Dimension of z; augmented components count.
    n_inputs : int
        Dimension of u.
    hidden : sequence of int
        Widths of the hidden layers of the network.
    activation : str
        A key of `physode.fields.mlp.ACTIVATIONS`.
    convex : bool, default False
        Whether H is convex, by a `ConvexNetwork`, whose activation is softplus, of one hidden layer.

    Notes
    -----
    The slope of the network is bounded, that of |L'z|^2 is not: far from the record H grows in every direction. H never grows along
    an undriven motion, whatever the parameters are.
    """

    def __init__(self, n_states: int, n_inputs: int, hidden: Sequence[int], activation: str, *, convex: bool = False) -> None:
        super().__init__()
        self.n_states, self.n_inputs = n_states, n_inputs
        self.net = ConvexNetwork(n_states, hidden[0]) if convex else LinearPlusMLP(n_states, 1, hidden, activation)
        self.stiffness = nn.Parameter(torch.eye(n_states))
        self.exchange = nn.Parameter(torch.zeros(n_states, n_states))
        self.damping = nn.Parameter(0.1 * torch.eye(n_states))
        self.supply = nn.Parameter(torch.zeros(n_states, n_inputs))

    def hamiltonian(self, z: Tensor) -> Tensor:
        """Learned energy H(z), shape (batch,); defined up to a constant."""
        out: Tensor = 0.5 * (z @ self.stiffness).square().sum(-1) + self.net(z)[..., 0]
        return out

    def gradient(self, z: Tensor) -> Tensor:
        """dH/dz, shape (batch, n_states)."""
        return self._gradient_closure()(z)

    def structure(self) -> Tensor:
        """J - R, shape (n_states, n_states)."""
        return self.exchange - self.exchange.mT - self.damping @ self.damping.mT

    def _gradient_closure(self) -> Callable[[Tensor], Tensor]:
        net, quadratic = self.net.gradient_closure(), self.stiffness @ self.stiffness.mT
        return lambda z: net(z) + z @ quadratic

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Evaluate dz/dt; see `AbstractField.forward`."""
        return self.closure()(t, z, u)

    def closure(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """See `AbstractField.closure`."""
        gradient, turned, supply = self._gradient_closure(), self.structure().mT, self.supply.mT
        if self.n_inputs:
            return lambda t, z, u: u @ supply + gradient(z) @ turned
        return lambda t, z, u: gradient(z) @ turned

    @torch.no_grad()
    def pull_back(self, t: Tensor, z: Tensor, u: Tensor, cotangents: Tensor) -> tuple[Tensor, ...]:
        """Differentiate by hand; see `AbstractField.pull_back`."""
        stiffness, damping, structure = (each.unsqueeze(-3) for each in (self.stiffness, self.damping, self.structure()))
        slope = self.gradient(z.flatten(-3, -2)).view(z.shape)
        directions = cotangents @ structure.unsqueeze(-3)
        by_stiffness = summed_products(directions, z @ stiffness) + turned_products(z, directions @ stiffness.unsqueeze(-3))
        by_exchange = summed_products(cotangents, slope) - turned_products(slope, cotangents)
        by_damping = -summed_products(cotangents, slope @ damping) - turned_products(slope, cotangents @ damping.unsqueeze(-3))
        by_net = self.net.gradient_pull_back(z, directions)
        return by_stiffness, by_exchange, by_damping, summed_products(cotangents, u), *by_net

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Differentiate by hand; see `AbstractField.state_jacobian`."""
        curvature = self.net.hessian(z) + (self.stiffness @ self.stiffness.mT).unsqueeze(-3)
        return self.structure().unsqueeze(-3) @ curvature

    def penalty_groups(self) -> list[list[list[str]]]:
        """See `AbstractField.penalty_groups`."""
        return self.net.penalty_groups("net")
