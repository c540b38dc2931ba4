"""What every learned vector field offers to solvers and optimisers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from physode.fields.mlp import LinearPlusMLP

__all__ = ["AbstractField"]


class AbstractField(nn.Module, ABC):
    """A vector field dz/dt = f(t, z, u; theta) in scaled coordinates.

    Attributes
    ----------
    n_states : int
        Dimension of the state z, latent components included.
    n_inputs : int
        Number of inputs u(t); 0 for an autonomous field.
    separable : bool
        Whether positions move by the momenta alone and momenta by the positions alone, as the leapfrog method needs.
    second_order : bool
        Whether z = [x, v] with dx/dt = v.
    first_precision : float
        Prior precision, at the start of a fit, of what bends the field's law (the first of the groups in `penalty_groups` that stand
        together): the larger, the longer motion is taken to follow the law alone.
    n_members : int or None
        Number of members that are evaluated together (`physode.fields.members.stack`): every parameter, every state and every result
        then has a leading dimension of members. None for a field by itself.
    """

    n_states: int
    n_inputs: int
    separable: bool = False
    second_order: bool = False
    first_precision: float = 10.0
    n_members: int | None = None

    @abstractmethod
    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Evaluate the field.

        Parameters
        ----------
        t : Tensor
            Time, a scalar or of shape (batch,).
        z : Tensor
            States, shape (batch, n_states).
        u : Tensor
            Inputs, shape (batch, n_inputs).

        Returns
        -------
        Tensor
            dz/dt, shape (batch, n_states).
        """

    def closure(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """Give `forward` as a plain function for one integration; valid until the parameters change."""
        return self.forward

    def perceptron(self, evaluations: int) -> LinearPlusMLP | None:
        """Give the network if the field is no more than one with hidden layers, to a solver that evaluates it so many times by itself.

        The network maps [z, u] to dz/dt, or to its second half where the first is the second half of z. None for any other field, and
        for a stacked one.
        """
        return None

    @torch.no_grad()
    def pull_back(self, t: Tensor, z: Tensor, u: Tensor, cotangents: Tensor) -> tuple[Tensor, ...]:
        """Sum the derivatives by the parameters of several evaluations, each multiplied from the left.

        That is all that the derivative of a Runge-Kutta step needs, and much less than the derivatives at every stage.

        Parameters
        ----------
        t : Tensor
            Time, a scalar or of shape (batch, terms).
        z : Tensor, shape (batch, terms, n_states)
        u : Tensor, shape (batch, terms, n_inputs)
        cotangents : Tensor, shape (batch, terms, rows, n_states)

        Returns
        -------
        tuple of Tensor, one for each of ``self.parameters()``, shape (batch, rows, size of the parameter)
            Sums over the terms of cotangents @ df/dtheta; not differentiable.
        """
        by_each = self._differentiate(t.flatten() if t.ndim else t, z.flatten(-3, -2), u.flatten(-3, -2), argnums=1)
        pieces = [piece.reshape(*z.shape, -1) for piece in by_each.values()]
        return tuple(torch.einsum("...krn,...knp->...rp", cotangents, piece) for piece in pieces)

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Differentiate the field by the state alone, shape (batch, n_states, n_states)."""
        by_state: Tensor = self._differentiate(t, z, u, argnums=0)
        return by_state

    def _differentiate(self, t: Tensor, z: Tensor, u: Tensor, argnums: int) -> Any:
        """Differentiate at each state, by the state (0) or by the parameters by name (1)."""

        def single(z_one: Tensor, parameters: dict[str, Tensor], u_one: Tensor, t_one: Tensor) -> Tensor:
            out: Tensor = functional_call(self, parameters, (t_one[None], z_one[None], u_one[None]))
            return out[0]

        every = vmap(jacrev(single, argnums=argnums), in_dims=(0, None, 0, 0))
        parameters = {name: parameter.detach() for name, parameter in self.named_parameters()}
        members = vmap(every, in_dims=(0, 0, 0, None)) if self.n_members else every
        return members(z, parameters, u, t.expand(z.shape[-2]))

    @property
    def n_parameters(self) -> int:
        """Number of parameters, of each member where there are several."""
        return sum(parameter.numel() for parameter in self.parameters()) // (self.n_members or 1)

    @abstractmethod
    def penalty_groups(self) -> list[list[list[str]]]:
        """Name the parameters that share one prior precision; those not named are left free.

        Returns
        -------
        list
            Of groups of names, where groups that belong together stand together: the prior of the later ones is never the tighter.
        """
