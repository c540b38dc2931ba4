"""What every learned vector field offers to solvers and optimisers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

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
    """

    n_states: int
    n_inputs: int
    separable: bool = False
    second_order: bool = False

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

        The network maps [z, u] to dz/dt, or to its second half where the first is the second half of z. None for any other field.
        """
        return None

    def jacobians(self, t: Tensor, z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Differentiate the field at each state, with respect to the state and to the parameters.

        Returns
        -------
        by_state : Tensor, shape (batch, n_states, n_states)
        by_parameters : Tensor, shape (batch, n_states, n_parameters)
            Columns in the order of ``self.parameters()``.
        """
        names, values = zip(*self.named_parameters(), strict=True)

        def single(z_one: Tensor, parameters: tuple[Tensor, ...], u_one: Tensor) -> Tensor:
            named = dict(zip(names, parameters, strict=True))
            out: Tensor = functional_call(self, named, (t, z_one[None], u_one[None]))
            return out[0]

        detached = tuple(v.detach() for v in values)
        by_state, by_each = vmap(jacrev(single, argnums=(0, 1)), in_dims=(0, None, 0))(z, detached, u)
        return by_state, torch.cat([piece.flatten(2) for piece in by_each], dim=2)

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Differentiate the field by the state alone, shape (batch, n_states, n_states)."""

        def single(z_one: Tensor, u_one: Tensor) -> Tensor:
            out: Tensor = self(t, z_one[None], u_one[None])
            return out[0]

        by_state: Tensor = vmap(jacrev(single))(z, u)
        return by_state

    @abstractmethod
    def penalty_groups(self) -> list[list[str]]:
        """Names of the parameters that share one prior precision; those not named are left free."""
